/** Life cycle of sessions, tasks and runs over state; everything else is asked of lower layers. */
import type { Artifacts } from '../artifacts/index.ts'
import {
  type Engine,
  loadFrozenRun,
  PLAN_ARTIFACT,
  type PrepareDeps,
  prepareRun,
  SNAPSHOT_ARTIFACT,
} from '../blueprint/index.ts'
import type { Timeline } from '../events/index.ts'
import {
  type Clock,
  type NewId,
  OpenExecError,
  type Run,
  type RunId,
  type RunRequest,
  TERMINAL_STATUSES,
} from '../schema/index.ts'
import { ownerState, processOwner } from '../sandbox/index.ts'
import {
  claimRun,
  findRun,
  getRun,
  getTask,
  lastEvent,
  listArtifacts,
  listRuns,
  listSteps,
  releaseRun,
  requestCancel,
  type State,
  transitionRun,
} from '../state/index.ts'
import { decideRun } from './decide.ts'
import { collectGarbage, pauseInterrupted, recoverRuns } from './maintain.ts'
import { applyRun, diffRun, resultOf } from './results.ts'
import type { Runtime } from './runtime.ts'
import { streamRun } from './stream.ts'
import { insertSubmitted } from './submit.ts'
import { executionSignal } from './watch-cancel.ts'

export interface RuntimeDeps extends PrepareDeps {
  state: State
  timeline: Timeline
  artifacts: Artifacts
  engine: Engine
  /** The state directory. */
  root: string
  now: Clock
  newId: NewId
}

const ARTIFACT_BYTES_MAX = 256 * 1024 * 1024

/** Runs that a dead process left unfinished are paused at once. */
export function createRuntime(deps: RuntimeDeps): Runtime {
  const { state, timeline, artifacts } = deps
  const { db } = state
  pauseInterrupted(deps)
  const submit = async (request: RunRequest, signal: AbortSignal) => {
    const prepared = await prepareRun(deps, request, signal)
    const plan = await artifacts.put(jsonBytes(prepared.plan))
    const snapshot = await artifacts.put(jsonBytes(prepared.snapshot))
    const blobs = { [PLAN_ARTIFACT]: plan, [SNAPSHOT_ARTIFACT]: snapshot }
    return insertSubmitted(deps, { request, prepared, blobs })
  }
  return {
    submit: (request, { signal }) => submit(request, signal),
    async runTask(id, { signal }) {
      getTask(db, id)
      const before = listRuns(db, { limit: 1000, status: undefined }).find((run) => run.taskId === id)
      if (before === undefined)
        throw new OpenExecError('not_found', `Cannot run task "${id}": it has no run to repeat`)
      return (await submit(before.request, signal)).id
    },
    execute: (id, { signal }) => executeOwned(deps, id, signal),
    find: (prefix) => findRun(db, prefix),
    get: (id) => getRun(db, id),
    list: (options) => listRuns(db, options),
    result: (id) => resultOf(deps, id),
    steps: (id) => listSteps(db, id),
    lastSeq: (id) => lastEvent(db, id)?.seq ?? 0,
    events: (id, options) => timeline.read(id, options),
    stream: (id, options) => streamRun(deps, id, options),
    artifacts: (id) => listArtifacts(db, id),
    async readArtifact(id, nameOrId) {
      const artifact = artifacts.find(id, nameOrId)
      return { artifact, content: await artifacts.read(artifact.id, { maxBytes: ARTIFACT_BYTES_MAX }) }
    },
    diff: (id, format) => diffRun(deps, id, format),
    apply: (id, { signal }) => applyRun(deps, id, signal),
    cancel: async (id) => cancelRun(deps, id),
    decide: async (id, decision) => decideRun(deps, id, decision),
    recover: ({ signal }) => recoverRuns(deps, signal),
    gc: (options) => collectGarbage(deps, options),
  }
}

function jsonBytes(value: unknown): Uint8Array {
  return Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`)
}

/** Takes the run over, unless a living process has it; gives it up whatever happens. */
async function executeOwned(deps: RuntimeDeps, id: RunId, caller: AbortSignal): Promise<Run> {
  const { state, artifacts, engine } = deps
  const run = getRun(state.db, id)
  const owner = processOwner()
  const free = run.owner === undefined || ownerState(run.owner) === 'dead'
  if (!free || !claimRun(state.db, id, { owner, expectedOwner: run.owner }))
    throw new OpenExecError('conflict', `Cannot execute run "${id}": ${whyNot(run)}`, {
      hint: `Follow it with \`openexec logs -f ${id}\``,
    })
  try {
    const { plan, policy } = await loadFrozenRun(artifacts, run)
    const wallMs = Math.min(plan.limits.max_wall, policy.limits.wall)
    const execution = executionSignal(state, id, { caller, deadlineInMs: remainingMs(deps, run, wallMs) })
    try {
      return await engine.executeRun(id, execution.signal)
    } finally {
      execution.stop()
    }
  } finally {
    releaseRun(state.db, id, { owner })
  }
}

/** A run that was interrupted keeps its deadline; the time a person took to answer does not count. */
function remainingMs({ now }: RuntimeDeps, run: Run, wallMs: number): number {
  if (run.startedAt === undefined || run.status === 'awaiting_approval') return wallMs
  return Math.max(1, run.startedAt + wallMs - now())
}

function whyNot({ status, owner }: Run): string {
  if (TERMINAL_STATUSES.some((terminal) => terminal === status)) return `it has ended (${status})`
  return `process ${owner?.split(':')[0] ?? 'unknown'} executes it`
}

function cancelRun({ state, timeline, now }: RuntimeDeps, id: RunId): Run {
  return state.transact((tx) => {
    const run = getRun(tx, id)
    if (!requestCancel(tx, id)) return getRun(tx, id)
    timeline.append(tx, id, { type: 'run_cancel_requested', payload: {} })
    const alive = run.owner !== undefined && ownerState(run.owner) !== 'dead'
    if (!alive) {
      const patch = { status: 'cancelled', reason: 'cancelled', endedAt: now() } as const
      transitionRun(tx, id, { from: ['queued', 'paused', 'awaiting_approval', 'running'], patch })
      const payload = { status: 'cancelled', reason: 'cancelled', tree: run.headTree ?? null, stages: [] }
      timeline.append(tx, id, { type: 'run_completed', payload })
    }
    return getRun(tx, id)
  })
}
