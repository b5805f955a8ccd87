/** Whether this process may mount a file as a disk: the only quota for a workspace that always holds. */
import { execFile } from 'node:child_process'
import { mkdir, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Probed } from './probe.ts'

const DISK_BYTES = 4 * 1024 ** 2
const PROGRAM_TIMEOUT_MS = 10_000
const execute = promisify(execFile)

export async function probeLoopMount(folder: string, signal: AbortSignal): Promise<Probed> {
  if (process.getuid?.() !== 0)
    return { has: 'no', evidence: `user ${process.getuid?.() ?? 'unknown'} may not mount` }
  const run = (program: string, ...words: string[]) =>
    execute(program, words, { timeout: PROGRAM_TIMEOUT_MS, signal })
  const [disk, target] = [join(folder, 'disk'), join(folder, 'mounted')]
  try {
    await mkdir(target, { recursive: true })
    await writeFile(disk, '')
    await truncate(disk, DISK_BYTES)
    await run('mkfs.ext4', '-q', '-F', disk)
    await run('mount', '-o', 'loop,nosuid,nodev', disk, target)
    // The device goes with the mount.
    await run('umount', target)
    return { has: 'yes', evidence: 'a file of 4 MiB was mounted as ext4 and unmounted' }
  } catch (error) {
    signal.throwIfAborted()
    const said = error instanceof Error ? error.message : String(error)
    return { has: 'no', evidence: said.replaceAll(/\s+/g, ' ').slice(0, 200) }
  }
}
