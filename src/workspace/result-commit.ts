/**
 * The one commit a run is brought home as: the last one made inside, or by `commit_changes`, when it
 * holds exactly the files of the last checkpoint; else those files as a commit of their own on top.
 */
import { type CommitRequest, commitTree, storeRef } from './commits.ts'
import { type GitCaller, gitLine, gitTry } from './git.ts'
import { FIXED_IDENTITY, type ObjectStore, storePlace } from './object-store.ts'

export interface ResultRequest {
  runId: string
  baseCommit: string
  /** Tree of the last checkpoint. */
  tree: string
  /** The last commit made in the sandbox that was taken over. */
  inside: string | undefined
  message: string
  /** Date of a commit that has to be made, epoch `ms`. */
  atMs: number
}

/** Keeps the commit as `refs/openexec/runs/<run>/result` and returns its id. */
export async function resultCommit(
  caller: GitCaller,
  store: ObjectStore,
  request: ResultRequest,
): Promise<string> {
  const { runId, baseCommit, tree, inside, message, atMs } = request
  const made = await refOf(caller, store, commitRef(runId))
  for (const commit of [inside, made]) {
    if (commit !== undefined && (await treeOf(caller, store, commit)) === tree)
      return await keep(caller, store, { runId, commit })
  }
  const { name, email } = FIXED_IDENTITY
  const author: CommitRequest['author'] = { name, email, atMs }
  const parents = [inside ?? baseCommit]
  const commit = await commitTree(caller, store, { tree, parents, message, author })
  return await keep(caller, store, { runId, commit })
}

/** Where the commit of the action `commit_changes` is kept. */
export function commitRef(runId: string): string {
  return `refs/openexec/runs/${runId}/commit`
}

async function keep(
  caller: GitCaller,
  store: ObjectStore,
  { runId, commit }: { runId: string; commit: string },
): Promise<string> {
  await storeRef(caller, store, { ref: `refs/openexec/runs/${runId}/result`, commit })
  return commit
}

async function refOf(
  caller: GitCaller,
  store: ObjectStore,
  ref: string,
): Promise<string | undefined> {
  const found = await gitTry(caller, storePlace(store), ['rev-parse', '--verify', '--quiet', ref])
  return found.code === 0 ? found.stdout.toString('latin1').trim() : undefined
}

function treeOf(caller: GitCaller, store: ObjectStore, commit: string): Promise<string> {
  return gitLine(caller, storePlace(store), ['rev-parse', '--verify', `${commit}^{tree}`])
}
