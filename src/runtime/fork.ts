/**
 * New runs that begin with the files of another run's checkpoint. A fork is a run of its own: the same
 * request, judged and frozen anew; the other run may go on, or be removed, without it noticing.
 */
import {
  type ForkBase,
  type GitOid,
  OpenExecError,
  type Run,
  type RunId,
  type RunRequest,
} from '../schema/index.ts'
import { getRun, listSteps } from '../state/index.ts'
import type { RuntimeDeps } from './create-runtime.ts'

export interface ForkOptions {
  /** Stage after which the fork begins; the last checkpoint when undefined. */
  at: string | undefined
  /** Replaces the task of the run. */
  task: string | undefined
  /** Replaces the blueprint of the run by one command. */
  command: string[] | undefined
  signal: AbortSignal
}

/** Throws `not_found` for a stage without a checkpoint, `policy_denied`, and as `submit()` does. */
export async function forkRuns(
  deps: RuntimeDeps,
  id: RunId,
  options: ForkOptions & {
    count: number
    submit(request: RunRequest, signal: AbortSignal): Promise<Run>
  },
): Promise<Run[]> {
  const request = await forkRequest(deps, id, options)
  const runs: Run[] = []
  for (let made = 0; made < options.count; made++)
    runs.push(await options.submit(request, options.signal))
  return runs
}

async function forkRequest(
  deps: RuntimeDeps,
  id: RunId,
  options: ForkOptions,
): Promise<RunRequest> {
  const run = getRun(deps.state.db, id)
  const fork = forkBase(deps, run, options.at)
  const store = await deps.workspaces.openStore(run.request.repo, options.signal)
  await deps.workspaces.keepBase(store, { commit: fork.commit, signal: options.signal })
  const { task, command } = options
  return {
    ...run.request,
    ...(task !== undefined && { task }),
    ...(command !== undefined && { blueprint: 'command', command, inputs: {} }),
    fork,
  }
}

function forkBase({ state }: RuntimeDeps, run: Run, at: string | undefined): ForkBase {
  const { id, baseCommit, baseTree, request } = run
  const steps = listSteps(state.db, id)
  const before = at === undefined ? steps : steps.slice(0, lastOf(steps, at) + 1)
  if (at !== undefined && before.length === 0)
    throw new OpenExecError(
      'not_found',
      `Cannot fork run "${id}" at "${at}": no such stage ended`,
      {
        hint: `See \`openexec show ${id}\` for the stages it went through`,
      },
    )
  if (before.some(({ reason }) => reason === 'policy_violation'))
    throw new OpenExecError(
      'policy_denied',
      `Cannot fork run "${id}": it changed what policy forbids`,
      { hint: 'Fork it at a stage before that with --at' },
    )
  const tree = before.findLast((step) => step.tree !== undefined)?.tree ?? baseTree
  const commit = tree === baseTree ? baseCommit : commitOf(steps, tree)
  if (tree === undefined || commit === undefined || baseTree === undefined)
    throw new OpenExecError('not_found', `Cannot fork run "${id}": it has no checkpoint`)
  const { fork, includeDirty } = request
  const anchor = fork === undefined ? (includeDirty ? undefined : baseCommit) : fork.anchor
  return {
    run: id,
    ...(at !== undefined && { stage: at }),
    commit,
    tree,
    ...(anchor !== undefined && { anchor }),
    originTree: fork?.originTree ?? baseTree,
  }
}

function lastOf(steps: readonly { stage: string; verdict?: unknown }[], stage: string): number {
  return steps.findLastIndex((step) => step.stage === stage && step.verdict !== undefined)
}

function commitOf(
  steps: readonly { tree?: GitOid | undefined; commit?: GitOid | undefined }[],
  tree: GitOid | undefined,
): GitOid | undefined {
  return steps.find((step) => step.tree === tree && step.commit !== undefined)?.commit
}
