/** What a run made as a pack of commits, for whoever has the repository where this machine has not. */
import { OpenExecError, type Run, type RunId } from '../schema/index.ts'
import type { CommitPack } from '../workspace/index.ts'
import { commitOf, takeableRun } from './bring-home.ts'
import type { RuntimeDeps } from './create-runtime.ts'
import { treesOf } from './results.ts'

export interface ResultPack extends CommitPack {
  /** Holds the files of the last checkpoint. */
  commit: string
  /** Trees between which the run's changes lie. */
  from: string
  to: string
}

/**
 * `known` are commits the caller has. Throws as `branch()` does, and `bad_request` when the caller knows
 * none that the run stands on: it would be sent the whole repository.
 */
export async function packRun(
  deps: RuntimeDeps,
  id: RunId,
  { known, signal }: { known: readonly string[]; signal: AbortSignal },
): Promise<ResultPack> {
  const { workspaces } = deps
  const run = takeableRun(deps, id, 'take home')
  const trees = treesOf(run)
  const commit = await commitOf(deps, run, { what: 'take home', signal })
  const store = await workspaces.openStore(run.request.repo, signal)
  const held = await workspaces.knownCommits(store, known, signal)
  if (held.length === 0)
    throw new OpenExecError('bad_request', `Cannot take home run "${id}": no commit is known`, {
      hint: `Fetch commit ${anchorOf(run)} first, which the run began with`,
      details: { field: 'known' },
    })
  const tree = run.headTree ?? run.baseTree ?? ''
  const { from, to } = trees ?? { from: tree, to: tree }
  return {
    ...workspaces.packCommits(store, { commits: [commit], known: held, signal }),
    commit,
    from,
    to,
  }
}

/** The commit of the user's own that a run stands on. */
function anchorOf({ request, baseCommit }: Run): string {
  const { fork, origin } = request
  return (origin?.kind === 'upload' ? origin.anchor : fork?.anchor) ?? baseCommit ?? 'unknown'
}
