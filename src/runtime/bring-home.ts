/** Bringing home what a run made: into the checkout, into the branch there, or as a branch of its own. */
import {
  type DiffStat,
  OpenExecError,
  type Run,
  type RunId,
  TERMINAL_STATUSES,
} from '../schema/index.ts'
import { getRun, listSteps, readEventsOfType } from '../state/index.ts'
import type { Merged } from '../workspace/index.ts'
import type { RuntimeDeps } from './create-runtime.ts'
import { statOf, treesOf } from './results.ts'

export type MergedRun = DiffStat & Merged

/** Throws `conflict` for a run that has not ended or broke policy, and as the checkout differs. */
export async function applyRun(
  deps: RuntimeDeps,
  id: RunId,
  signal: AbortSignal,
): Promise<DiffStat> {
  const run = checkedOut(takeableRun(deps, id, 'apply'))
  const stat = await statOf(deps, run)
  const trees = treesOf(run)
  if (trees !== undefined) await deps.workspaces.apply(run.request.repo, { ...trees, signal })
  return stat
}

/** Throws as `applyRun()` does, and `conflict` where the run changed nothing or its base is no commit. */
export async function mergeRun(
  deps: RuntimeDeps,
  id: RunId,
  signal: AbortSignal,
): Promise<MergedRun> {
  const run = checkedOut(takeableRun(deps, id, 'merge'))
  if (run.request.includeDirty && treesOf(run) !== undefined)
    throw new OpenExecError(
      'conflict',
      `Cannot merge run "${id}": it began with uncommitted changes of your checkout`,
      { hint: `Take its files with \`openexec apply ${id}\`` },
    )
  const commit = await commitOf(deps, run, { what: 'merge', signal })
  const message = `Merge run ${id}\n\n${messageOf(run)}`
  const { repo } = run.request
  const merged = await deps.workspaces.merge(repo, { commit, message, signal })
  return { ...(await statOf(deps, run)), ...merged }
}

/** Throws `conflict` when the branch exists or the run changed nothing. */
export async function branchRun(
  deps: RuntimeDeps,
  id: RunId,
  { name, signal }: { name: string | undefined; signal: AbortSignal },
): Promise<{ branch: string; commit: string }> {
  const run = checkedOut(takeableRun(deps, id, 'make a branch of'))
  const commit = await commitOf(deps, run, { what: 'make a branch of', signal })
  const branch = name ?? `openexec/${id}`
  await deps.workspaces.createBranch(run.request.repo, { name: branch, commit, signal })
  return { branch, commit }
}

/** Throws `conflict` for a run whose repository has no checkout on this machine. */
function checkedOut(run: Run): Run {
  const { origin } = run.request
  if (origin === undefined) return run
  const what = origin.kind === 'url' ? 'was fetched' : 'was sent by a client'
  throw new OpenExecError(
    'conflict',
    `Cannot change a checkout for run "${run.id}": its repository ${what}`,
    {
      hint: 'Take its commits with GET /v1/runs/ID/pack; `openexec apply`, `merge` and `branch` do',
    },
  )
}

export function takeableRun({ state }: RuntimeDeps, id: RunId, what: string): Run {
  const run = getRun(state.db, id)
  if (!TERMINAL_STATUSES.some((status) => status === run.status))
    throw new OpenExecError(
      'conflict',
      `Cannot ${what} run "${id}": it has not ended (${run.status})`,
    )
  if (listSteps(state.db, id).some(({ reason }) => reason === 'policy_violation'))
    throw new OpenExecError(
      'policy_denied',
      `Cannot ${what} run "${id}": it changed what policy forbids`,
      { hint: `Look at it with \`openexec diff ${id}\`` },
    )
  return run
}

export async function commitOf(
  deps: RuntimeDeps,
  run: Run,
  { what, signal }: { what: string; signal: AbortSignal },
): Promise<string> {
  const { id, baseCommit, baseTree, headTree, endedAt, createdAt } = run
  const inside = lastCommitInside(deps, id)
  const tree = headTree ?? baseTree
  const isNothing = inside === undefined && treesOf(run) === undefined
  if (baseCommit === undefined || tree === undefined || isNothing)
    throw new OpenExecError('conflict', `Cannot ${what} run "${id}": it changed no file`)
  const store = await deps.workspaces.openStore(run.request.repo, signal)
  return await deps.workspaces.resultCommit(store, {
    runId: id,
    baseCommit,
    tree,
    inside,
    message: messageOf(run),
    atMs: endedAt ?? createdAt,
    signal,
  })
}

/** The last commit that policy let out of the sandbox. */
function lastCommitInside({ state }: RuntimeDeps, id: RunId): string | undefined {
  const commit = readEventsOfType(state.db, id, 'notice').findLast(
    ({ payload }) => payload['kind'] === 'commits' && payload['descends'] === true,
  )?.payload['commit']
  return typeof commit === 'string' ? commit : undefined
}

const SUBJECT_CHARS_MAX = 72

function messageOf({ id, request, blueprint }: Run): string {
  const line = request.task.split('\n', 1)[0]?.replaceAll(/\p{C}/gu, ' ').trim() ?? ''
  const subject = line === '' ? `Changes of a run of ${blueprint}` : line
  return `${subject.slice(0, SUBJECT_CHARS_MAX)}\n\nOpenExec-Run: ${id}\n`
}
