/** What a repository elsewhere says it has: its branches, its tags, and what is checked out. */
import { OpenExecError } from '../schema/index.ts'
import type { GitCaller } from './git.ts'
import { barePlace, NOWHERE } from './git-environment.ts'
import { runGit } from './git-process.ts'

export interface RemoteRefs {
  /** Ids by full name; a tag's own commit under its name with `^{}`. */
  refs: ReadonlyMap<string, string>
  /** Branch that is checked out there. */
  head: string | undefined
}

const BYTES_MAX = 16 * 1024 * 1024
const OID = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/

/** Throws `repository_invalid` where it cannot be asked. */
export async function readRemoteRefs(
  caller: GitCaller,
  { url, env }: { url: string; env: Record<string, string> },
): Promise<RemoteRefs> {
  const args = ['ls-remote', '--symref', '--quiet', '--', url]
  const place = barePlace(NOWHERE)
  const run = { place, args, env, user: undefined, signal: caller.signal, input: '' }
  const { code, stdout, stderr } = await runGit(caller.program, { ...run, maxBytes: BYTES_MAX })
  if (code !== 0) throw notFetched(url, stderr)
  const refs = new Map<string, string>()
  let head: string | undefined
  for (const line of stdout.toString('utf8').split('\n')) {
    const [value = '', name = ''] = line.split('\t')
    if (OID.test(value)) refs.set(name, value)
    else if (name === 'HEAD') head = /^ref: (refs\/heads\/\S+)$/.exec(value)?.[1]
  }
  return { refs, head }
}

/** The commit of a name, or of what is checked out. Throws `repository_invalid`. */
export function remoteCommit(
  { refs, head }: RemoteRefs,
  { url, ref }: { url: string; ref: string | undefined },
): string {
  if (ref !== undefined && OID.test(ref)) return ref
  const names =
    ref === undefined || ref === 'HEAD'
      ? ['HEAD', ...(head === undefined ? [] : [head])]
      : [`refs/heads/${ref}`, `refs/tags/${ref}^{}`, `refs/tags/${ref}`, `${ref}^{}`, ref]
  const found = names.map((name) => refs.get(name)).find((oid) => oid !== undefined)
  if (found !== undefined) return found
  if (ref === undefined && refs.size === 0)
    throw new OpenExecError(
      'repository_invalid',
      `Cannot use repository "${url}": it has no commits`,
    )
  throw new OpenExecError(
    'repository_invalid',
    `Cannot find ref ${JSON.stringify(ref ?? 'HEAD')} in "${url}"`,
    { hint: 'Name a branch, a tag, or the whole id of a commit' },
  )
}

const REASONS: readonly (readonly [RegExp, string])[] = [
  [
    /could not read Username|Authentication failed|error: 40[13]|Permission denied/i,
    'it wants other credentials, or is not there',
  ],
  [/error: 404|not found|does not (?:exist|appear)/i, 'it is not there'],
  [/error: 30\d/i, 'it redirects, which is not followed: name the address it redirects to'],
  [/Host key verification failed/i, 'the key of the host is not among the known ones'],
  [/certificate/i, 'its certificate is not trusted'],
  // Ended by the system in the middle, which leaves it no last word.
  [
    /^fatal: fetch-pack: invalid index-pack output$|File too large/i,
    'it is larger than may be fetched',
  ],
  [/transport '[\w+-]+' not allowed/i, 'its protocol is not taken'],
  [
    /(?:timed out|too slow|Connection refused|Failed to connect|unreachable)/i,
    'it does not answer',
  ],
]

export function notFetched(url: string, stderr: string): OpenExecError {
  const [, why] = REASONS.find(([pattern]) => pattern.test(stderr)) ?? []
  const tooLarge = why?.startsWith('it is larger') ?? false
  const code = tooLarge ? 'too_large' : 'repository_invalid'
  return new OpenExecError(code, `Cannot fetch "${url}": ${why ?? 'git could not read it'}`, {
    hint: 'Hosts and credentials are under "git" in the configuration of whoever runs the server',
    details: { field: 'repo.url', git: stderr.slice(0, 500) },
  })
}
