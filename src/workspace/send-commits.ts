/** Packs of commits for somebody who has others: what a client sends, and what it takes home. */
import type { Readable } from 'node:stream'
import { OpenExecError } from '../schema/index.ts'
import { type GitCaller, gitFed, gitTry } from './git.ts'
import { streamGit } from './git-process.ts'
import { type ObjectStore, storePlace } from './object-store.ts'

export interface CommitPack {
  bytes: Readable
  /** Rejects when the pack is not whole. Awaited on every path. */
  done: Promise<void>
  kill(): void
}

const OID = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/

/** `commits` with all they need but what `known` reach; `known` must be there. */
export function packCommits(
  caller: GitCaller,
  store: ObjectStore,
  { commits, known }: { commits: readonly string[]; known: readonly string[] },
): CommitPack {
  const args = [
    'pack-objects',
    '--revs',
    '--stdout',
    '--quiet',
    '--threads=1',
    '--delta-base-offset',
  ]
  const run = { place: storePlace(store), env: {}, user: undefined, signal: caller.signal }
  const stream = streamGit(caller.program, { ...run, args: [...args, '--window=0'] })
  stream.stdin.end(`${[...commits, ...known.map((oid) => `^${oid}`)].join('\n')}\n`)
  return { bytes: stream.stdout, done: stream.done, kill: stream.kill }
}

/** Those of the ids that are commits the store can read. */
export async function knownCommits(
  caller: GitCaller,
  store: ObjectStore,
  ids: readonly string[],
): Promise<string[]> {
  const asked = ids.filter((id) => OID.test(id))
  if (asked.length === 0) return []
  const args = ['cat-file', '--batch-check=%(objectname) %(objecttype)']
  const input = asked.map((id) => `${id}\n`).join('')
  const answer = await gitFed(caller, storePlace(store), { args, input })
  return answer
    .toString('latin1')
    .split('\n')
    .flatMap((line) => (line.endsWith(' commit') ? [line.slice(0, line.indexOf(' '))] : []))
}

/**
 * What every clone of a repository has in common: the commit its first line of history begins with,
 * and where that ends early, in a shallow clone, the ends. Throws `repository_invalid`.
 */
export async function repositoryKey(
  caller: GitCaller,
  store: ObjectStore,
  commit: string,
): Promise<string> {
  const args = ['rev-list', '--first-parent', '--max-parents=0', '--end-of-options', commit]
  const { code, stdout, stderr } = await gitTry(caller, storePlace(store), args)
  const root = stdout.toString('latin1').trim().split('\n').at(-1) ?? ''
  if (code === 0 && OID.test(root)) return root
  throw new OpenExecError('repository_invalid', `Cannot read the history of ${commit}: ${stderr}`)
}
