/**
 * Mounts of this process's own below a directory it owns: made and taken away by the system's
 * programs, because Node has no call for either, and found again in the kernel's own list, which
 * also knows what a process left that was killed.
 */
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import { OpenExecError } from '../schema/index.ts'

const PROGRAM_TIMEOUT_MS = 10_000
const STDERR_BYTES_MAX = 500

/** Whether mounting is worth a try at all. */
export function mayMount(): boolean {
  return process.platform === 'linux' && process.getuid?.() === 0
}

/** Mount points at and below a real path, the one made last first. */
function mountsBelow(directory: string): string[] {
  if (!mayMount()) return []
  const table = fs.readFileSync('/proc/self/mountinfo', 'utf8')
  return pointsOf(table)
    .filter((point) => point === directory || point.startsWith(`${directory}/`))
    .toReversed()
}

/** Mount points in the order of `/proc/self/mountinfo`, whose fields escape blanks in octal. */
export function pointsOf(table: string): string[] {
  return table.split('\n').flatMap((line) => {
    const point = line.split(' ')[4]
    if (point === undefined) return []
    const bytes = point.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    )
    return [bytes]
  })
}

/** Quiet when there are none; throws `workspace_failed` for one that stays. */
export async function unmountBelow(directory: string): Promise<void> {
  for (const point of mountsBelow(directory)) {
    const refused = await runProgram('/bin/umount', [point])
    if (refused === undefined) continue
    // Somebody still has a file open there: out of sight now, gone when it is closed.
    const stuck = await runProgram('/bin/umount', ['-l', point])
    if (stuck === undefined || !mountsBelow(point).includes(point)) continue
    throw new OpenExecError('workspace_failed', `Cannot unmount "${point}": ${stuck}`, {
      hint: 'The next `openexec gc` tries again',
    })
  }
}

/** What a program of the system says when it fails; `undefined` when it does not. */
export async function runProgram(
  program: string,
  words: readonly string[],
  cwd = '/',
): Promise<string | undefined> {
  return await new Promise((resolve) => {
    let said = ''
    const child = spawn(program, words, {
      cwd,
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: PROGRAM_TIMEOUT_MS,
    })
    child.stderr.on('data', (piece: Buffer) => {
      said = (said + piece.toString('utf8')).slice(0, STDERR_BYTES_MAX)
    })
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code) => {
      const words = said.replaceAll(/\p{C}+/gu, ' ').trim()
      resolve(code === 0 ? undefined : words || `${program} ended with ${code ?? 'a signal'}`)
    })
  })
}
