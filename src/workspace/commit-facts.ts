/** Tree and date of one commit, and what its files say that a run should know of before it begins. */
import { openBlobReader } from './blob-reader.ts'
import { type GitCaller } from './git.ts'
import { type ObjectStore, storePlace } from './object-store.ts'
import { type CommitSurvey, surveyCommit } from './survey-commit.ts'

export interface CommitFacts extends CommitSurvey {
  tree: string
  /** Committer's date, in seconds of the epoch. */
  committedAtS: number
}

const COMMIT_BYTES_MAX = 16 * 1024 * 1024

/** Undefined when the repository has no such commit. Throws `repository_invalid` as it is too big. */
export async function readCommitFacts(
  caller: GitCaller,
  store: ObjectStore,
  commit: string,
): Promise<CommitFacts | undefined> {
  const [head, survey] = await Promise.allSettled([
    readCommit(caller, store, commit),
    surveyCommit(caller, store, commit),
  ])
  if (head.status === 'rejected') throw head.reason
  if (head.value === undefined) return undefined
  if (survey.status === 'rejected') throw survey.reason
  return { ...head.value, ...survey.value }
}

async function readCommit(
  caller: GitCaller,
  store: ObjectStore,
  commit: string,
): Promise<{ tree: string; committedAtS: number } | undefined> {
  const reader = openBlobReader(caller, storePlace(store))
  try {
    const found = await reader.find(`${commit}^{commit}`, COMMIT_BYTES_MAX)
    if (found?.type !== 'commit') return undefined
    const header = found.content.toString('latin1').split('\n\n', 1)[0] ?? ''
    const tree = /^tree ([0-9a-f]+)$/m.exec(header)?.[1]
    const seconds = Number(/^committer .*> (-?\d+) [-+]\d+$/m.exec(header)?.[1])
    return tree === undefined ? undefined : { tree, committedAtS: seconds }
  } finally {
    await reader.close()
  }
}
