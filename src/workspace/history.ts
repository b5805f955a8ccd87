/** Which commits changed which files: what a ranking learns from and is measured by. */
import { toText } from './byte-path.ts'
import { type GitCaller, gitStream } from './git.ts'
import { type ObjectStore, storePlace } from './object-store.ts'
import { nulRecords } from './records.ts'

export interface HistoryCommit {
  commit: string
  /** First parent; undefined for a commit that has none. */
  parent: string | undefined
  /** Subject and body; empty unless asked for. */
  message: string
  paths: string[]
}

export interface HistoryRequest {
  commit: string
  /** Commits looked at, merges left out. */
  limit: number
  messages: boolean
}

/** Paths read in all, so that commits which touch everything cost no more than others. */
const PATHS_MAX = 50_000
const OPTIONS = [
  '--no-merges',
  '--no-renames',
  '--name-only',
  '-z',
  '--no-color',
  '--no-show-signature',
]
const HEAD = '\u0001'

/** Newest first. */
export async function commitHistory(
  caller: GitCaller,
  store: ObjectStore,
  { commit, limit, messages }: HistoryRequest,
): Promise<HistoryCommit[]> {
  const format = `%x01%H%x01%P%x01${messages ? '%s%n%b' : ''}`
  const args = ['log', `--max-count=${limit}`, `--format=${format}`, ...OPTIONS]
  const stream = gitStream(caller, storePlace(store), [...args, '--end-of-options', commit, '--'])
  const commits: HistoryCommit[] = []
  let paths = 0
  try {
    for await (const records of nulRecords(stream.stdout)) {
      for (const record of records) {
        if (record.startsWith(HEAD)) commits.push(headOf(record))
        // The first name stands on a line of its own.
        else if (record !== '') commits.at(-1)?.paths.push(toText(record.replace(/^\n/, '')))
        paths += 1
      }
      if (paths > PATHS_MAX) return commits
    }
    await stream.done
    return commits
  } finally {
    stream.kill()
  }
}

function headOf(record: string): HistoryCommit {
  const [, commit = '', parents = '', ...message] = record.split(HEAD)
  return {
    commit,
    parent: parents.split(' ')[0] || undefined,
    message: toText(message.join(' ')).trim(),
    paths: [],
  }
}
