/** The repository a run is submitted with. */
import type { RunRequest } from '../schema/index.ts'
import type { Source, Workspaces } from '../workspace/index.ts'

/** A fork stands on what it is forked from; the user's checkout has no part in it. */
export async function sourceOf(
  workspaces: Workspaces,
  { repo, ref, includeDirty, fork }: RunRequest,
  signal: AbortSignal,
): Promise<Source> {
  if (fork === undefined)
    return await workspaces.openSource({ path: repo, ref, includeDirty, signal })
  const at = { path: repo, ref: fork.anchor, includeDirty: false, signal }
  const clean = { tracked: 0, untracked: 0, complete: true }
  return {
    ...(await workspaces.openSource(at)),
    commit: fork.commit,
    tree: fork.tree,
    branch: undefined,
    dirty: clean,
  }
}
