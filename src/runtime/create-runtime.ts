/** Life cycle of sessions, tasks and runs over state; everything else is asked of lower layers. */
import type { Artifacts } from '../artifacts/index.ts'
import {
  type Engine,
  PLAN_ARTIFACT,
  type PrepareDeps,
  type PreparedRun,
  prepareRun,
  SNAPSHOT_ARTIFACT,
} from '../blueprint/index.ts'
import type { Timeline } from '../events/index.ts'
import {
  type Clock,
  type NewId,
  OpenExecError,
  type Run,
  RunId,
  type RunRequest,
  type TaskId,
  type Tenant,
} from '../schema/index.ts'
import {
  findRun,
  getRun,
  getTask,
  isQueued,
  lastEvent,
  latestRunOfTask,
  listArtifacts,
  listRuns,
  listSteps,
  type State,
} from '../state/index.ts'
import { ask, type Origin } from './ask.ts'
import { auditRun, replayOf } from './audit.ts'
import type { BringSource } from './bring-source.ts'
import { cancelRun } from './cancel.ts'
import { decideRun } from './decide.ts'
import { expireApprovals } from './expire-approvals.ts'
import { executeRun, hasEnded, resumableRun } from './execute.ts'
import { collectGarbage, pauseInterrupted, recoverRuns } from './maintain.ts'
import { forkRuns } from './fork.ts'
import { applyRun, branchRun, mergeRun } from './bring-home.ts'
import { packRun } from './result-pack.ts'
import { learnPolicy, simulatePolicy } from './policy-record.ts'
import { diffRun, resultOf } from './results.ts'
import type { Runtime } from './runtime.ts'
import { readRunFile } from './read-run-file.ts'
import { refuseUnread } from './refuse-unread.ts'
import { streamRun } from './stream.ts'
import { insertSubmitted, type Submission } from './submit.ts'
import { ownedOnly } from './owned-only.ts'

export interface RuntimeDeps extends PrepareDeps {
  /** Whose runs these are: what belongs to another tenant is not there. */
  tenant: Tenant
  state: State
  timeline: Timeline
  artifacts: Artifacts
  engine: Engine
  /** Takes secrets out of a text. */
  redact(text: string): string
  /** Keeps what was seen and begun for the execution that follows. */
  keepSeen(id: RunId, seen: Pick<PreparedRun, 'source' | 'head'>): void
  /** Whether a run that is submitted is executed by this process, at once. */
  startsAtOnce: boolean
  /** Whom the workspace of a run belongs to inside. */
  userOf(id: RunId): { uid: number; gid: number }
  /** Fetches a repository that is named by its address. */
  bringSource: BringSource
  /** The state directory. */
  root: string
  now: Clock
  newId: NewId
  /** What kept this process from executing a run at all; such a run stands as it stood. */
  failures: Map<RunId, unknown>
}

const ARTIFACT_BYTES_MAX = 256 * 1024 * 1024

/** Runs that a dead process left unfinished are paused at once. */
export function createRuntime(deps: RuntimeDeps): Runtime {
  const { state, timeline, artifacts, failures } = deps
  const { db } = state
  pauseInterrupted(deps)
  expireApprovals(deps)
  const abandoned = createAbandonedCheck(deps, failures)
  const run = (request: RunRequest, signal: AbortSignal, origin?: Origin) =>
    submit(deps, { request, place: undefined, origin }, signal)
  return ownedOnly(deps, {
    submit: (request, { signal }) => run(request, signal),
    enqueue: (request, { signal, ...place }) =>
      submit(deps, { request, place, origin: undefined }, signal),
    ask: (request, plan, { signal }) =>
      ask(deps, { request, plan }, (wanted, origin) => run(wanted, signal, origin)),
    async runTask(id, { signal }) {
      return (await run(requestOf(deps, id), signal)).id
    },
    fork: (id, options) => forkRuns(deps, id, { ...options, submit: run }),
    async execute(id, { signal }) {
      failures.delete(id)
      await executeRun(deps, id, signal).catch((error: unknown) => failures.set(id, error))
    },
    resumable: (id) => resumableRun(deps, id),
    find: (prefix) => findRun(db, deps.tenant, prefix),
    get: (id) => getRun(db, id),
    list: (options) => listRuns(db, { ...options, tenant: deps.tenant }),
    async result(id) {
      if (failures.has(id)) throw failures.get(id)
      return await resultOf(deps, id)
    },
    steps: (id) => listSteps(db, id),
    lastSeq: (id) => lastEvent(db, id)?.seq ?? 0,
    events: (id, options) => timeline.read(id, options),
    stream: (id, options) => streamRun({ ...deps, isAbandoned: abandoned }, id, options),
    streamAll: (options) => timeline.followAll(deps.tenant, options),
    artifacts: (id) => listArtifacts(db, id),
    async readArtifact(id, nameOrId) {
      const artifact = artifacts.find(id, nameOrId)
      return {
        artifact,
        content: await artifacts.read(artifact.id, { maxBytes: ARTIFACT_BYTES_MAX }),
      }
    },
    readFile: (id, path) => readRunFile(deps, id, path),
    ...changesOf(deps),
    audit: (id) => auditRun(deps, id),
    replay: (id) => replayOf(deps, id),
    learn: (request) => learnPolicy(deps, request),
    simulate: (request) => simulatePolicy(deps, request),
    cancel: async (id) => cancelRun(deps, id),
    expire: () => expireApprovals(deps),
    decide: (id, decision) => decideRun(deps, id, decision),
    recover: ({ signal }) => recoverRuns(deps, signal),
    gc: (options) => collectGarbage(deps, options),
  })
}

async function submit(
  deps: RuntimeDeps,
  { request: given, place, origin }: Pick<Submission, 'request' | 'place' | 'origin'>,
  signal: AbortSignal,
): Promise<Run> {
  const request = await deps.bringSource(deps.tenant, given, signal)
  const id = RunId.parse(deps.newId('run'))
  // A run that waits for its turn needs no sandbox yet.
  const ahead = deps.startsAtOnce && place === undefined ? deps : undefined
  const prepared = await prepareRun(deps, { id, request, ahead }, signal)
  try {
    return await insert(deps, { id, request, prepared, place, origin }, signal)
  } catch (error) {
    await prepared.head?.abandon()
    throw error
  }
}

async function insert(
  deps: RuntimeDeps,
  { id, request, prepared, place, origin }: Omit<Submission, 'blobs'>,
  signal: AbortSignal,
): Promise<Run> {
  refuseUnread(request, prepared.plan)
  const [plan, snapshot] = await Promise.all([
    deps.artifacts.put(jsonBytes(prepared.plan)),
    deps.artifacts.put(jsonBytes(prepared.snapshot)),
  ])
  signal.throwIfAborted()
  const blobs = { [PLAN_ARTIFACT]: plan, [SNAPSHOT_ARTIFACT]: snapshot }
  const run = insertSubmitted(deps, { id, request, prepared, blobs, place, origin })
  deps.keepSeen(id, prepared)
  return run
}

function changesOf(
  deps: RuntimeDeps,
): Pick<Runtime, 'diff' | 'pack' | 'apply' | 'merge' | 'branch'> {
  return {
    diff: (id, format) => diffRun(deps, id, format),
    pack: (id, options) => packRun(deps, id, options),
    apply: (id, { signal }) => applyRun(deps, id, signal),
    merge: (id, { signal }) => mergeRun(deps, id, signal),
    branch: (id, options) => branchRun(deps, id, options),
  }
}

/** What the newest run of a task was asked to be. Throws `not_found`. */
function requestOf({ state: { db }, tenant }: RuntimeDeps, id: TaskId): RunRequest {
  const before = latestRunOfTask(db, getTask(db, tenant, id).id)
  if (before !== undefined) return before.request
  throw new OpenExecError('not_found', `Cannot run task "${id}": it has no run to repeat`)
}

function jsonBytes(value: unknown): Uint8Array {
  return Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`)
}

/** A worker has this long to take over the run it was started for. */
const OWNERLESS_MS = 15_000

/** Tells of runs nobody executes, and pauses those whose process has just died. */
function createAbandonedCheck(
  deps: RuntimeDeps,
  failures: ReadonlyMap<RunId, unknown>,
): (id: RunId) => boolean {
  const { state, now } = deps
  const ownerlessSince = new Map<RunId, number>()
  return (id) => {
    if (failures.has(id)) return true
    pauseInterrupted(deps)
    const run = getRun(state.db, id)
    if (run.owner !== undefined || hasEnded(run) || isQueued(state.db, id)) {
      ownerlessSince.delete(id)
      return false
    }
    const since = ownerlessSince.get(id) ?? now()
    ownerlessSince.set(id, since)
    return now() - since > OWNERLESS_MS
  }
}
