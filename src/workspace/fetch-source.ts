/**
 * Fetches a repository from its address into the one that is kept of it. One process fetches at a time,
 * the others wait and find what they wanted; all that comes lies in quarantine until git has checked
 * it, and branches and tags change in one step.
 */
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { OpenExecError } from '../schema/index.ts'
import { tryProcessLock } from '../state/index.ts'
import type { GitPlace } from './git-environment.ts'
import { type GitCaller, gitBytes, gitTry } from './git.ts'
import { runGit, SMALL_OUTPUT_BYTES, throwIfCancelled } from './git-process.ts'
import { fetchEnvironment, type FetchTarget } from './fetch-way.ts'
import { holdCommit, isHeld, keepSource, type KeptSource, touchKept } from './kept-source.ts'
import { inQuarantine, type Quarantine } from './quarantine.ts'
import { boundedBy, PACK_LIMITS, type PackLimits } from './receive-commit.ts'
import { notFetched, readRemoteRefs, remoteCommit } from './remote-refs.ts'

export interface FetchRequest extends FetchTarget {
  tenant: string
  /** Branch, tag or whole id; what is checked out there when undefined. */
  ref: string | undefined
}

export interface FetchedSource {
  root: string
  commit: string
  /** Bytes of the packs that came; 0 when the commit was here. */
  bytes: number
}

export const FETCH_LIMITS: PackLimits = { ...PACK_LIMITS, packBytes: 4 * 1024 ** 3 }

const OID = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/
const REF = /^(?!-)[A-Za-z0-9._/@+-]{1,200}$/

/** Throws `repository_invalid`, `too_large`, and `timed_out` while others fetch the same for too long. */
export async function fetchSource(
  caller: GitCaller,
  stateDir: string,
  request: FetchRequest & { limits: PackLimits },
): Promise<FetchedSource> {
  const bounded = boundedBy(caller, request.limits)
  try {
    return await fetchWithin(bounded, stateDir, request)
  } catch (cause) {
    if (caller.signal.aborted || !bounded.signal.aborted) throw cause
    const limit = `${request.limits.timeMs} ms`
    throw new OpenExecError(
      'timed_out',
      `Cannot fetch "${request.url.text}": no end after ${limit}`,
      {
        cause,
      },
    )
  }
}

async function fetchWithin(
  bounded: GitCaller,
  stateDir: string,
  request: FetchRequest,
): Promise<FetchedSource> {
  const { tenant, url, ref } = request
  const { text } = url
  if (ref !== undefined && (!REF.test(ref) || ref.includes('..') || ref.includes('@{')))
    throw new OpenExecError(
      'repository_invalid',
      `Cannot use ref ${JSON.stringify(ref)}: malformed`,
      {
        hint: 'Name a branch, a tag, or the whole id of a commit',
      },
    )
  const keep = (oid: string): KeptSource => {
    const objectFormat = oid.length === 40 ? 'sha1' : 'sha256'
    return keepSource(stateDir, { tenant, kind: 'url', name: text, objectFormat, shallow: [] })
  }
  if (ref !== undefined && OID.test(ref)) {
    const kept = keep(ref)
    if (isHeld(kept, ref)) return { root: kept.root, commit: ref, bytes: 0 }
  }
  const env = fetchEnvironment(request)
  const remote = await readRemoteRefs(bounded, { url: text, env })
  const wanted = remoteCommit(remote, { url: text, ref })
  const kept = keep(wanted)
  if (isHeld(kept, wanted)) return { root: kept.root, commit: wanted, bytes: 0 }
  return await alone(kept, bounded.signal, async () => {
    if (isHeld(kept, wanted)) return { root: kept.root, commit: wanted, bytes: 0 }
    const isNamed = [...remote.refs.values()].includes(wanted)
    return await inQuarantine(kept, (quarantine) =>
      bring(bounded, kept, { quarantine, url: text, env, wanted, isNamed }),
    )
  })
}

const WAIT_MS = 200

/** One at a time, of all processes. */
async function alone<T>(kept: KeptSource, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (;;) {
    throwIfCancelled(signal, 'fetch the repository')
    const unlock = tryProcessLock(path.join(kept.gitDir, 'openexec-fetch.lock'))
    if (unlock === undefined) {
      await wait(WAIT_MS, undefined, { signal }).catch(() => {})
      continue
    }
    try {
      return await work()
    } finally {
      unlock()
    }
  }
}

interface Bringing {
  quarantine: Quarantine
  url: string
  env: Record<string, string>
  wanted: string
  /** Whether a branch or tag leads to it; it is asked for by its id otherwise. */
  isNamed: boolean
}

const WANTED_REF = 'refs/openexec/wanted'
const OPTIONS = [
  '--quiet',
  '--prune',
  '--no-tags',
  '--no-write-fetch-head',
  '--no-auto-maintenance',
  '--no-recurse-submodules',
]

async function bring(
  caller: GitCaller,
  kept: KeptSource,
  { quarantine, url, env, wanted, isNamed }: Bringing,
): Promise<FetchedSource> {
  const { gitDir, place, adopt } = quarantine
  const known = path.join(kept.gitDir, 'packed-refs')
  const packed = path.join(gitDir, 'packed-refs')
  if (fs.existsSync(known)) fs.copyFileSync(known, packed)
  const specs = ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*']
  if (!isNamed) specs.push(`+${wanted}:${WANTED_REF}`)
  const args = ['fetch', ...OPTIONS, '--', url, ...specs]
  const run = { place, args, env, user: undefined, signal: caller.signal, input: '' }
  const { code, stderr } = await runGit(caller.program, { ...run, maxBytes: SMALL_OUTPUT_BYTES })
  if (code !== 0) throw notFetched(url, stderr)
  const commit = await commitOf(caller, place, { url, wanted })
  if (!isNamed) await gitBytes(caller, place, ['update-ref', '-d', WANTED_REF])
  await gitBytes(caller, place, ['pack-refs', '--all', '--prune'])
  const bytes = packBytes(gitDir)
  adopt()
  // A process that is killed in between has more objects than refs, which hurts nobody.
  if (fs.existsSync(packed)) fs.renameSync(packed, known)
  holdCommit(kept, commit)
  touchKept(kept)
  return { root: kept.root, commit, bytes }
}

/** A tag may lead to something else, and a server may have said what is not so. */
async function commitOf(
  caller: GitCaller,
  place: GitPlace,
  { url, wanted }: { url: string; wanted: string },
): Promise<string> {
  const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${wanted}^{commit}`]
  const { code, stdout } = await gitTry(caller, place, args)
  const commit = stdout.toString('latin1').trim()
  if (code === 0 && OID.test(commit)) return commit
  throw new OpenExecError('repository_invalid', `Cannot find commit ${wanted} in "${url}"`, {
    hint: 'Some servers give commits only that a branch or tag leads to',
  })
}

function packBytes(gitDir: string): number {
  const directory = path.join(gitDir, 'objects/pack')
  const sizes = fs
    .readdirSync(directory)
    .map((name) => fs.statSync(path.join(directory, name)).size)
  return sizes.reduce((sum, size) => sum + size, 0)
}
