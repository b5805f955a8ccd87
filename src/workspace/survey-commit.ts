/** What the tree of a commit holds that a run should know of before it begins. */
import { OpenExecError } from '../schema/index.ts'
import type { BytePath } from './byte-path.ts'
import { type GitCaller, gitStream } from './git.ts'
import { type ObjectStore, storePlace } from './object-store.ts'
import { nulRecords, parseTreeEntry } from './records.ts'
import { isStatePath } from './state-path.ts'
/** Entries a tree may have before it is refused. */
const TREE_ENTRIES_MAX = 1_000_000

export interface CommitSurvey {
  submodules: BytePath[]
  /** A path in what is the state directory by default. */
  statePath: BytePath | undefined
}

/** Looks through all paths of a commit once. Throws `repository_invalid` when there are too many. */
export async function surveyCommit(
  caller: GitCaller,
  store: ObjectStore,
  commit: string,
): Promise<CommitSurvey> {
  const survey: CommitSurvey = { submodules: [], statePath: undefined }
  let entries = 0
  const args = ['ls-tree', '-r', '-z', '--full-tree', '--end-of-options', commit]
  const listing = gitStream(caller, storePlace(store), args)
  try {
    for await (const records of nulRecords(listing.stdout)) {
      entries += records.length
      if (entries > TREE_ENTRIES_MAX) throw tooManyEntries()
      for (const record of records) {
        const { path: name } = parseTreeEntry(record)
        if (record.startsWith('160000')) survey.submodules.push(name)
        if (isStatePath(name)) survey.statePath ??= name
      }
    }
    await listing.done
  } finally {
    listing.kill()
  }
  return survey
}

function tooManyEntries(): OpenExecError {
  return new OpenExecError(
    'repository_invalid',
    `Cannot use the repository: its tree has over ${TREE_ENTRIES_MAX} entries`,
    { hint: 'Choose a smaller repository or an earlier commit' },
  )
}
