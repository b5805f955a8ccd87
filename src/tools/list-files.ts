/** Names of the files of the workspace, as the sandbox itself lists them. */
import { capture } from './capture.ts'
import { isGitDirectory } from './repo-path.ts'
import type { ToolContext } from './tool.ts'

const LISTING_BYTES_MAX = 8 * 1024 * 1024
const TIMEOUT_MS = 30_000

/** Tracked files and untracked ones that are not ignored; without a git in the image, all files. */
const GIT_ARGV = [
  'git',
  '-c',
  'core.fsmonitor=false',
  'ls-files',
  '-z',
  '--cached',
  '--others',
  '--exclude-standard',
  '--deduplicate',
]
const FIND_ARGV = ['find', '.', '-name', '.git', '-prune', '-o', '!', '-type', 'd', '-print0']

/** Sorted paths that may be read; `complete` is false when there were too many. */
export async function listFiles(
  context: ToolContext,
): Promise<{ paths: string[]; complete: boolean }> {
  const options = { bytesMax: LISTING_BYTES_MAX, timeoutMs: TIMEOUT_MS }
  const tracked = await capture(context, GIT_ARGV, options)
  const usable =
    tracked?.result === undefined ? tracked !== undefined : tracked.result.exitCode === 0
  const listing = usable ? tracked : await capture(context, FIND_ARGV, options)
  if (listing === undefined) return { paths: [], complete: false }
  const names = listing.stdout.toString('utf8').split('\0')
  const last = names.pop()
  const paths = names
    .map((name) => name.replace(/^\.\//, ''))
    .filter((path) => path !== '' && !path.split('/').some(isGitDirectory))
    .filter((path) => context.mayRead(path))
    .sort((a, b) => (a < b ? -1 : 1))
  return { paths, complete: last === '' && listing.result !== undefined }
}
