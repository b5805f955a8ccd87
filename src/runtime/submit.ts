import type { BlobRef } from '../artifacts/index.ts'
import { PLAN_ARTIFACT, type PreparedRun, SNAPSHOT_ARTIFACT } from '../blueprint/index.ts'
import {
  type ArtifactType,
  GitOid,
  type JsonObject,
  type NewEvent,
  type Run,
  RunId,
  type RunRequest,
  SessionId,
  Sha256,
  TaskId,
} from '../schema/index.ts'
import { type Db, getRun, getTask, insertRun, insertSession, insertTask } from '../state/index.ts'
import { chosenBy, type Origin } from './ask.ts'
import type { RuntimeDeps } from './create-runtime.ts'

export interface Submission {
  request: RunRequest
  prepared: PreparedRun
  blobs: Record<string, BlobRef>
  /** The task it belongs to; one of its own, in a session of its own, when undefined. */
  origin: Origin | undefined
}

const TYPES: Record<string, ArtifactType> = {
  [PLAN_ARTIFACT]: 'report',
  [SNAPSHOT_ARTIFACT]: 'policy_snapshot',
}

/** Session, task, run, their artifacts and first events: all in one transaction, or nothing. */
export function insertSubmitted(
  deps: RuntimeDeps,
  { request, prepared, blobs, origin }: Submission,
): Run {
  const { state, timeline, artifacts, newId } = deps
  const createdAt = deps.now()
  const taskId = origin?.taskId ?? TaskId.parse(newId('task'))
  const id = RunId.parse(newId('run'))
  const { source, plan, policyHash } = prepared
  return state.transact((tx) => {
    const sessionId =
      origin === undefined
        ? insertOwnTask(tx, { ...deps, taskId, request, repo: source.root, createdAt })
        : getTask(tx, taskId).sessionId
    insertRun(tx, {
      id,
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
    ...(origin === undefined ? notices : [chosenBy(origin.plan), ...notices]).map((message) => ({
      type: 'notice' as const,
      payload: { kind: 'repository', message },
    })),
  ]
}

/** Which run it began with is no part of what it does: the commit it stands on is. */
function forkOf({ fork }: RunRequest): { fork?: JsonObject } {
  return fork === undefined ? {} : { fork: { run: fork.run, stage: fork.stage ?? null } }
}

/** A session and a task for one run alone; gives back the session. */
function insertOwnTask(
  tx: Db,
  task: Pick<RuntimeDeps, 'newId'> & {
    taskId: TaskId
    request: RunRequest
    repo: string
    createdAt: number
  },
): SessionId {
  const { taskId: id, repo, createdAt } = task
  const sessionId = SessionId.parse(task.newId('ses'))
  insertSession(tx, { id: sessionId, mode: 'task', createdAt })
  insertTask(tx, { id, sessionId, description: task.request.task, repo, createdAt })
  return sessionId
}
