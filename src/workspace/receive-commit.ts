/**
 * Takes a commit with what it needs out of a pack that somebody else made. The pack is hostile: its
 * size, the memory and time of git, and what its objects say are all bounded or checked, in a place of
 * its own, before anything refers to it. It must stand on its own: no deltas against what it lacks.
 */
import fs from 'node:fs'
import { OpenExecError } from '../schema/index.ts'
import { TOLERATED } from './fetch-way.ts'
import type { GitPlace } from './git-environment.ts'
import type { GitCaller } from './git.ts'
import { gitTry } from './git.ts'
import { type GitBounds, runGit, SMALL_OUTPUT_BYTES, streamGit } from './git-process.ts'
import { heldCommits, holdCommit, type KeptSource } from './kept-source.ts'
import { inQuarantine } from './quarantine.ts'

export interface PackLimits {
  packBytes: number
  objects: number
  /** Of one process of git. */
  memoryBytes: number
  cpuSeconds: number
  /** `ms` for all of it. */
  timeMs: number
}

export const PACK_LIMITS: PackLimits = {
  packBytes: 2 * 1024 ** 3,
  objects: 10_000_000,
  memoryBytes: 4 * 1024 ** 3,
  cpuSeconds: 600,
  timeMs: 600_000,
}

/** Throws `bad_request` for a pack that is unsound or does not hold what the commit needs. */
export async function receiveCommit(
  caller: GitCaller,
  kept: KeptSource,
  request: { commit: string; packFile: string; limits: PackLimits },
): Promise<void> {
  const { commit, packFile, limits } = request
  checkHeader(packFile, limits)
  const bounded = boundedBy(caller, limits)
  await inQuarantine(kept, async ({ place, adopt }) => {
    await indexPack(bounded, place, { packFile, limits })
    await checkConnected(bounded, place, { commit, held: heldCommits(kept) })
    adopt()
    holdCommit(kept, commit)
  })
}

/** The same caller, whose git may use no more than this of the machine. */
export function boundedBy(caller: GitCaller, limits: PackLimits): GitCaller {
  const { memoryBytes, cpuSeconds, packBytes } = limits
  const bounds: GitBounds = { memoryBytes, cpuSeconds, fileBytes: packBytes }
  const signal = AbortSignal.any([caller.signal, AbortSignal.timeout(limits.timeMs)])
  return { program: { ...caller.program, timeoutMs: limits.timeMs, bounds }, signal }
}

const HEADER_BYTES = 12

/** Says how many objects there are before anything is read of them. */
function checkHeader(packFile: string, limits: PackLimits): void {
  const file = fs.openSync(packFile, 'r')
  const header = Buffer.alloc(HEADER_BYTES)
  try {
    const { size } = fs.fstatSync(file)
    if (size > limits.packBytes) throw tooLarge('bytes', limits.packBytes)
    if (fs.readSync(file, header, 0, HEADER_BYTES, 0) < HEADER_BYTES)
      throw unsound('it is too short')
  } finally {
    fs.closeSync(file)
  }
  const version = header.readUInt32BE(4)
  if (header.toString('latin1', 0, 4) !== 'PACK' || (version !== 2 && version !== 3))
    throw unsound('it is no pack of git')
  if (header.readUInt32BE(8) > limits.objects) throw tooLarge('objects', limits.objects)
}

export async function indexPack(
  caller: GitCaller,
  place: GitPlace,
  { packFile, limits }: { packFile: string; limits: PackLimits },
): Promise<void> {
  const tolerated = TOLERATED.map((name) => `${name}=ignore`).join(',')
  const args = ['index-pack', '--stdin', `--strict=${tolerated}`, '--threads=1']
  const run = { place, env: {}, user: undefined, signal: caller.signal }
  const receive = streamGit(caller.program, {
    ...run,
    args: [...args, `--max-input-size=${limits.packBytes}`],
  })
  const input = fs.createReadStream(packFile)
  try {
    receive.stdout.resume()
    input.on('error', () => receive.kill())
    input.pipe(receive.stdin)
    await receive.done
  } catch (cause) {
    throw refused(cause)
  } finally {
    input.destroy()
    receive.kill()
  }
}

/** All that the commit reaches is there, up to what was held before. */
async function checkConnected(
  caller: GitCaller,
  place: GitPlace,
  { commit, held }: { commit: string; held: readonly string[] },
): Promise<void> {
  const type = await gitTry(caller, place, ['cat-file', '-t', commit])
  if (type.stdout.toString('latin1').trim() !== 'commit')
    throw unsound(`it does not hold commit ${commit}`)
  const args = ['rev-list', '--objects', '--quiet', '--stdin']
  const input = `${[commit, ...held.map((oid) => `^${oid}`)].join('\n')}\n`
  const run = { place, args, input, env: {}, user: undefined, signal: caller.signal }
  const { code, stderr } = await runGit(caller.program, { ...run, maxBytes: SMALL_OUTPUT_BYTES })
  if (code !== 0) throw unsound(`the commit needs objects that are not there (${stderr})`)
}

/** What git says of a pack is about the pack, unless the caller gave up. */
function refused(cause: unknown): unknown {
  if (!(cause instanceof OpenExecError) || cause.code === 'cancelled') return cause
  return unsound(cause.message.replace(/^Cannot run git [\w-]+: /, ''), cause)
}

function unsound(why: string, cause?: unknown): OpenExecError {
  return new OpenExecError('bad_request', `Cannot take the pack: ${why}`, {
    hint: 'Check your repository with `git fsck`',
    cause,
  })
}

function tooLarge(what: string, max: number): OpenExecError {
  return new OpenExecError('too_large', `Cannot take the pack: it has more than ${max} ${what}`, {
    hint: 'Let the server fetch the repository by its address, or name a path on the server',
  })
}
