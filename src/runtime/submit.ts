import type { BlobRef } from '../artifacts/index.ts'
import { PLAN_ARTIFACT, type PreparedRun, SNAPSHOT_ARTIFACT } from '../blueprint/index.ts'
import {
  type ArtifactType,
  GitOid,
  type JsonObject,
  type NewEvent,
  type Run,
  type RunId,
  type RunRequest,
  SessionId,
  Sha256,
  TaskId,
} from '../schema/index.ts'
import {
  type Db,
  enqueue,
  getRun,
  getTask,
  insertRun,
  insertSession,
  insertTask,
  keepIdempotent,
  startTick,
  type TickPlace,
} from '../state/index.ts'
import { chosenBy, type Origin } from './ask.ts'
import type { RuntimeDeps } from './create-runtime.ts'

export interface Submission {
  id: RunId
  request: RunRequest
  prepared: PreparedRun
  blobs: Record<string, BlobRef>
  /** The task it belongs to; one of its own, in a session of its own, when undefined. */
  origin: Origin | undefined
  /** Where it waits for a server; `undefined` for a run its caller executes. */
  place: QueuePlace | undefined
}

export interface QueuePlace {
  priority: number
  /** How long it may wait, in `ms`; for ever when undefined. */
  ttlMs: number | undefined
  /** Idempotency key with the hash of the request it stands for. */
  key: { key: string; requestHash: string } | undefined
  /** The tick of a schedule that it is the run of. */
  tick: TickPlace | undefined
}

const TYPES: Record<string, ArtifactType> = {
  [PLAN_ARTIFACT]: 'report',
  [SNAPSHOT_ARTIFACT]: 'policy_snapshot',
}

/** Session, task, run, their artifacts and first events: all in one transaction, or nothing. */
export function insertSubmitted(
  deps: RuntimeDeps,
  { id, request, prepared, blobs, origin, place }: Submission,
): Run {
  const { state, timeline, artifacts, newId, tenant } = deps
  const createdAt = deps.now()
  const taskId = origin?.taskId ?? TaskId.parse(newId('task'))
  const { source, plan, policyHash } = prepared
  return state.transact((tx) => {
    const sessionId =
      origin === undefined
        ? insertOwnTask(tx, { ...deps, taskId, request, repo: source.root, createdAt })
        : getTask(tx, tenant, taskId).sessionId
    insertRun(tx, {
      id,
      tenant,
      taskId,
      blueprint: plan.name,
      status: 'queued',
      request: { ...request, repo: source.root },
      baseCommit: GitOid.parse(source.commit),
      baseTree: GitOid.parse(source.tree),
      policyHash: Sha256.parse(policyHash),
      cancelRequested: false,
      createdAt,
    })
    timeline.append(tx, id, createdEvents({ request, prepared, origin, sessionId, taskId }))
    for (const [name, blob] of Object.entries(blobs))
      artifacts.record(tx, {
        runId: id,
        name,
        type: TYPES[name] ?? 'report',
        mediaType: 'application/json',
        blob,
      })
    if (place !== undefined) takePlace(tx, { id, tenant, createdAt }, place)
    return getRun(tx, id)
  })
}

function createdEvents({
  request,
  origin,
  prepared: { source, plan, policyHash, image, wallMs, notices },
  sessionId,
  taskId,
}: Pick<Submission, 'request' | 'prepared' | 'origin'> & {
  sessionId: SessionId
  taskId: TaskId
}): NewEvent[] {
  return [
    {
      type: 'run_created',
      payload: {
        blueprint: plan.name,
        task: request.task.slice(0, 4000),
        base_commit: source.commit,
        base_tree: source.tree,
        branch: source.branch ?? null,
        policy: policyHash,
        image: image.name,
        wall_ms: wallMs,
        stages: plan.stages.map(({ id: stage }) => stage),
      },
      volatile: {
        repo: source.root,
        image_id: image.id,
        session: sessionId,
        task: taskId,
        ...forkOf(request),
      },
    },
    ...sourceNotice(request, source.commit),
    ...(origin === undefined ? notices : [chosenBy(origin.plan), ...notices]).map((message) => ({
      type: 'notice' as const,
      payload: { kind: 'repository', message },
    })),
  ]
}

/** Where the repository came from, for whoever reads the record. */
function sourceNotice({ origin }: RunRequest, commit: string): NewEvent[] {
  if (origin?.kind !== 'url') return []
  const { host } = new URL(origin.url)
  const message = `The repository was fetched from ${host}, commit ${commit}`
  const volatile = { url: origin.url, bytes: origin.bytes }
  return [{ type: 'notice', payload: { kind: 'source', message }, volatile }]
}

/** Which run it began with is no part of what it does: the commit it stands on is. */
function forkOf({ fork }: RunRequest): { fork?: JsonObject } {
  return fork === undefined ? {} : { fork: { run: fork.run, stage: fork.stage ?? null } }
}

/** A session and a task for one run alone; gives back the session. */
function insertOwnTask(
  tx: Db,
  task: Pick<RuntimeDeps, 'newId' | 'tenant'> & {
    taskId: TaskId
    request: RunRequest
    repo: string
    createdAt: number
  },
): SessionId {
  const { taskId: id, repo, createdAt, tenant } = task
  const sessionId = SessionId.parse(task.newId('ses'))
  insertSession(tx, { id: sessionId, tenant, mode: 'task', createdAt })
  insertTask(tx, { id, tenant, sessionId, description: task.request.task, repo, createdAt })
  return sessionId
}

function takePlace(
  tx: Db,
  { id, tenant, createdAt }: Pick<Run, 'id' | 'tenant' | 'createdAt'>,
  { priority, ttlMs, key, tick }: QueuePlace,
): void {
  const expiresAt = ttlMs === undefined ? {} : { expiresAt: createdAt + ttlMs }
  enqueue(tx, { runId: id, tenant, priority, enqueuedAt: createdAt, ...expiresAt })
  if (tick !== undefined) startTick(tx, tick, { runId: id })
  if (key !== undefined) keepIdempotent(tx, { ...key, tenant, runId: id, createdAt })
}
