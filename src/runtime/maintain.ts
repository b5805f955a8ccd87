/** What is done about processes that died, and about runs nobody needs any more. */
import { join } from 'node:path'
import { removeRunDirectory } from '../artifacts/index.ts'
import { findCutAttempt, isNotedAhead, pauseIdleRun } from '../blueprint/index.ts'
import { OpenExecError, type Run, RunId } from '../schema/index.ts'
import { ownerState, processOwner, sweepPoolSlots } from '../sandbox/index.ts'
import {
  bytesOfRuns,
  claimRun,
  deleteRun,
  getRun,
  listRuns,
  listSandboxes,
  listUnfinishedRuns,
  ownerOfRun,
  removeSandbox,
} from '../state/index.ts'
import type { RuntimeDeps } from './create-runtime.ts'
import { DIRECT_DIRECTORY } from './direct.ts'
import { isExecutedHere } from './execute.ts'
import { expireApprovals } from './expire-approvals.ts'
import { chooseOldRuns } from './old-runs.ts'
import type { GcOptions, GcReport, RecoveryReport } from './runtime.ts'
import { removeUnusedDocuments } from './unused-documents.ts'

const ENGINE_AWAY: readonly string[] = ['engine_unavailable', 'engine_failed', 'engine_too_old']
/** A blob younger than this may belong to a row that is about to be written. */
const BLOB_AGE_MS = 3_600_000
const RUNS_MAX = 1_000_000

/** Runs that nobody executes any more become `paused`; touches nothing but state. */
export function pauseInterrupted(
  deps: Pick<RuntimeDeps, 'state' | 'timeline' | 'now' | 'redact'>,
): RunId[] {
  const { state } = deps
  return listUnfinishedRuns(state.db).flatMap(({ id, owner }) => {
    if (!isInterrupted(getRun(state.db, id))) return []
    const paused = state.transact((tx) => {
      if (!claimRun(tx, id, { owner: undefined, expectedOwner: owner })) return false
      return pauseIdleRun(deps, tx, id)
    })
    return paused ? [id] : []
  })
}

/** A process can also fail to write how a run ended, and live on. */
function isInterrupted({ id, owner, status }: Run): boolean {
  if (owner === undefined) return status === 'running'
  if (owner === processOwner()) return !isExecutedHere(id)
  return ownerState(owner) === 'dead'
}

/** The same, and what dead processes left on the machine is removed. */
export async function recoverRuns(
  deps: RuntimeDeps,
  signal: AbortSignal,
  onNoEngine?: (why: string) => void,
): Promise<RecoveryReport> {
  const { state } = deps
  const interrupted = pauseInterrupted(deps)
  const isLive = (id: string) => isOwned(deps, id) || goesOn(deps, id)
  // Before the slots are looked at: what dead processes had begun is nobody's.
  const slots = await sweepPoolSlots(join(deps.root, 'pool'))
  const swept = await deps.workspaces.sweep((id) => isLive(id) || isNotedAhead(deps.root, id))
  const reaped = await deps.sandboxes
    .reap(({ sandbox, run }) => isLive(runOf(deps, sandbox) ?? run), { signal })
    .catch((error: unknown) => {
      const isAway = error instanceof OpenExecError && ENGINE_AWAY.includes(error.code)
      if (onNoEngine === undefined || !isAway) throw error
      onNoEngine(error.message)
      return undefined
    })
  if (reaped === undefined)
    return { interrupted, containers: [], volumes: [], workspaces: [...swept.removed, ...slots] }
  for (const { id, runId } of listSandboxes(state.db))
    if (runId !== undefined && !isLive(runId)) removeSandbox(state.db, id)
  return {
    interrupted,
    containers: reaped.flatMap(({ kind, id }) => (kind === 'container' ? [id] : [])),
    volumes: reaped.flatMap(({ kind, id }) => (kind === 'volume' ? [id] : [])),
    workspaces: [...swept.removed, ...slots],
  }
}

/** Asked anew for each thing that was found: another process may have begun since the look. */
function isOwned({ state }: RuntimeDeps, id: string): boolean {
  const known = RunId.safeParse(id)
  if (!known.success) return false
  const owner = ownerOfRun(state.db, known.data)
  return owner !== undefined && ownerState(owner) !== 'dead'
}

/** Nobody executes it just now, and whoever does next goes on with its running command. */
function goesOn({ state, now }: RuntimeDeps, id: string): boolean {
  const known = RunId.safeParse(id)
  if (!known.success || findCutAttempt(state.db, known.data) === undefined) return false
  const { deadlineAt } = getRun(state.db, known.data)
  return deadlineAt === undefined || deadlineAt > now()
}

/** A sandbox that waited in a pool has no run in its labels. */
function runOf({ state }: RuntimeDeps, sandbox: string): RunId | undefined {
  return listSandboxes(state.db).find(({ id }) => id === sandbox)?.runId
}

export async function collectGarbage(deps: RuntimeDeps, options: GcOptions): Promise<GcReport> {
  const { state, artifacts, root, now } = deps
  expireApprovals(deps)
  const removed: RunId[] = []
  const bytes = options.maxBytes === undefined ? undefined : bytesOfRuns(state.db)
  const bytesOf = ({ id }: Run) => bytes?.get(id) ?? 0
  for (const { id } of chooseOldRuns(everyRun(deps), options, { now: now(), bytesOf }))
    if (removeEnded(deps, id)) {
      removed.push(id)
      await removeRunDirectory(root, id)
    }
  const requests = everyRun(deps).map(({ request }) => request)
  const documents = removeUnusedDocuments(root, { requests, before: now() - BLOB_AGE_MS })
  const { freed } = artifacts.collect({ before: now() - BLOB_AGE_MS })
  await pruneObjects(deps, options.signal)
  const engine = { why: undefined as string | undefined }
  // Without an engine, what needs none is done all the same; the rest is for another time.
  const recovered = await recoverRuns(deps, options.signal, (why) => (engine.why = why))
  if (engine.why === undefined) {
    await deps.sandboxes.kept(join(root, DIRECT_DIRECTORY)).sweep({ signal: options.signal })
    await deps.sandboxes.prune({ signal: options.signal })
  }
  return { ...recovered, runs: removed, documents, freed, engine: engine.why }
}

/** Newest first, of every tenant. */
function everyRun({ state }: RuntimeDeps): Run[] {
  const every = { tenant: undefined, before: undefined, status: undefined }
  return listRuns(state.db, { ...every, limit: RUNS_MAX })
}

/** False for one whose sandbox is still there: another time will do. */
function removeEnded({ state, now }: RuntimeDeps, id: RunId): boolean {
  try {
    deleteRun(state, id, { now: now() })
    return true
  } catch (error) {
    if (error instanceof OpenExecError && ['conflict', 'not_found'].includes(error.code))
      return false
    throw error
  }
}

/** Results of runs that are gone; asked when the refs are known, so that a run begun since keeps its own. */
async function pruneObjects(deps: RuntimeDeps, signal: AbortSignal): Promise<void> {
  const kept = () => {
    const runs = everyRun(deps)
    return {
      runs: new Set<string>(runs.map(({ id }) => id)),
      bases: new Set(
        runs.flatMap(({ baseCommit }): string[] => (baseCommit === undefined ? [] : [baseCommit])),
      ),
    }
  }
  await deps.workspaces.prune(kept, signal)
  const inUse = () => {
    const runs = everyRun(deps)
    const commits = runs.flatMap(({ baseCommit, request: { fork } }) => [baseCommit, fork?.anchor])
    return {
      roots: new Set(runs.map(({ request }) => request.repo)),
      commits: new Set<string>(commits.filter((commit) => commit !== undefined)),
    }
  }
  await deps.workspaces.pruneKept(inUse, signal)
}
