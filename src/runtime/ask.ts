/**
 * From a request in words to a task, and to a run where the plan asks for one. The plan chooses the
 * blueprint and nothing else: the run goes through every check that any run goes through, and a
 * request of high sensitivity only to a model on this machine.
 */
import {
  type Asked,
  type AskRequest,
  type Plan,
  type Run,
  type RunRequest,
  SessionId,
  TaskId,
} from '../schema/index.ts'
import { getSession, insertSession, insertTask } from '../state/index.ts'
import type { RuntimeDeps } from './create-runtime.ts'

/** The task a run belongs to, where it was there before the run. */
export interface Origin {
  taskId: TaskId
  plan: Plan
}

/** Throws what a submission throws; the task stays then, without a run. */
export async function ask(
  { state, tenant, now, newId, redact }: RuntimeDeps,
  { request, plan }: { request: AskRequest; plan: Plan },
  submit: (request: RunRequest, origin: Origin) => Promise<Run>,
): Promise<Asked> {
  const { route, run, mode } = request
  const session = request.session ?? SessionId.parse(newId('ses'))
  const task = TaskId.parse(newId('task'))
  const createdAt = now()
  state.transact((tx) => {
    if (request.session === undefined) insertSession(tx, { id: session, tenant, mode, createdAt })
    else getSession(tx, tenant, session)
    const description = redact(route.text)
    const { toolset } = plan
    insertTask(tx, {
      id: task,
      tenant,
      sessionId: session,
      description,
      repo: run.repo,
      toolset,
      createdAt,
    })
  })
  if (plan.mode !== 'run') return { session, task, plan }
  const isLocal = run.localModelOnly === true || plan.sensitivity === 'high'
  const wanted = { ...run, blueprint: plan.blueprint, task: route.text, localModelOnly: isLocal }
  return { session, task, plan, run: await submit(wanted, { taskId: task, plan }) }
}

/** What the run's timeline says of how its blueprint was chosen. */
export function chosenBy({ blueprint, decided_by: by, reasons, plan_hash: hash }: Plan): string {
  return `Blueprint "${blueprint}" was chosen by ${by}: ${reasons.join('; ')} (plan ${hash.slice(0, 12)})`
}
