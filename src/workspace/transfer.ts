/** Sends commits with what they need from one repository to another, checked on arrival. */
import type { GitPlace } from './git-environment.ts'
import { streamGit } from './git-process.ts'
import { type GitCaller, gitStream } from './git.ts'

/**
 * Leaves out what `known` commits reach. The receiver checks every object and every link (`fsck`),
 * and the call fails with `workspace_failed` when one is unsound.
 */
export async function transferCommit(
  caller: GitCaller,
  commit: { id: string; known: readonly string[] },
  ways: { from: GitPlace; to: GitPlace; user: { uid: number; gid: number } | undefined },
): Promise<void> {
  const pack = gitStream(caller, ways.from, [
    'pack-objects',
    '--revs',
    '--stdout',
    '--quiet',
    '--window=0',
  ])
  const receive = streamGit(caller.program, {
    place: ways.to,
    args: ['index-pack', '--stdin', '--strict', '--threads=1'],
    env: {},
    user: ways.user,
    signal: caller.signal,
  })
  try {
    receive.stdout.resume()
    pack.stdout.pipe(receive.stdin)
    pack.stdin.end(`${[commit.id, ...commit.known.map((known) => `^${known}`)].join('\n')}\n`)
    await Promise.all([pack.done, receive.done])
  } finally {
    pack.kill()
    receive.kill()
  }
}
