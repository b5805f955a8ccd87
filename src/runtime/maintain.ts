/** What is done about processes that died, and about runs nobody needs any more. */
import { removeRunDirectory } from '../artifacts/index.ts'
import { type Run, type RunId, TERMINAL_STATUSES } from '../schema/index.ts'
import { ownerState } from '../sandbox/index.ts'
import {
  claimRun,
  deleteRun,
  listRuns,
  listSandboxes,
  listUnfinishedRuns,
  removeSandbox,
  transitionRun,
} from '../state/index.ts'
import type { RuntimeDeps } from './create-runtime.ts'
import type { GcOptions, GcReport, RecoveryReport } from './runtime.ts'

/** A blob younger than this may belong to a row that is about to be written. */
const BLOB_AGE_MS = 3_600_000
const RUNS_MAX = 1_000_000

/** Runs whose process died become `paused`; touches nothing but state. */
export function pauseInterrupted({ state, timeline }: RuntimeDeps): RunId[] {
  const interrupted: RunId[] = []
  for (const run of listUnfinishedRuns(state.db)) {
    if (run.owner === undefined || ownerState(run.owner) !== 'dead') continue
    const paused = state.transact((tx) => {
      if (!claimRun(tx, run.id, { owner: undefined, expectedOwner: run.owner })) return false
      const patch = { status: 'paused', reason: 'orphaned', detail: INTERRUPTED } as const
      if (!transitionRun(tx, run.id, { from: ['queued', 'running'], patch })) return false
      timeline.append(tx, run.id, {
        type: 'run_paused',
        payload: { status: 'paused', reason: 'orphaned' },
      })
      return true
    })
    if (paused) interrupted.push(run.id)
  }
  return interrupted
}

/** The same, and what dead processes left on the machine is removed. */
export async function recoverRuns(deps: RuntimeDeps, signal: AbortSignal): Promise<RecoveryReport> {
  const { state } = deps
  const interrupted = pauseInterrupted(deps)
  const live = liveRuns(deps)
  const reaped = await deps.sandboxes.reap(({ run }) => live.has(run), { signal })
  for (const { id, runId } of listSandboxes(state.db))
    if (runId !== undefined && !live.has(runId)) removeSandbox(state.db, id)
  const swept = await deps.workspaces.sweep((runId) => live.has(runId))
  return {
    interrupted,
    containers: reaped.flatMap(({ kind, id }) => (kind === 'container' ? [id] : [])),
    volumes: reaped.flatMap(({ kind, id }) => (kind === 'volume' ? [id] : [])),
    workspaces: swept.removed,
  }
}

const INTERRUPTED = 'The process that executed the run died'

export async function collectGarbage(deps: RuntimeDeps, options: GcOptions): Promise<GcReport> {
  const { state, artifacts, root, now } = deps
  const recovered = await recoverRuns(deps, options.signal)
  const before = now() - options.olderThanMs
  const old = listRuns(state.db, { limit: RUNS_MAX, status: undefined })
    .slice(options.keep)
    .filter((run) => isEnded(run) && (run.endedAt ?? run.createdAt) < before)
  for (const run of old) {
    deleteRun(state, run.id, { now: now() })
    await removeRunDirectory(root, run.id)
  }
  const { freed } = artifacts.collect({ before: now() - BLOB_AGE_MS })
  return { ...recovered, runs: old.map(({ id }) => id), freed }
}

function liveRuns({ state }: RuntimeDeps): Set<string> {
  return new Set(
    listUnfinishedRuns(state.db)
      .filter(({ owner }) => owner !== undefined && ownerState(owner) !== 'dead')
      .map(({ id }) => id),
  )
}

function isEnded({ status }: Run): boolean {
  return TERMINAL_STATUSES.some((terminal) => terminal === status)
}
