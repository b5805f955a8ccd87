/**
 * The only way a run leaves the state: whole, ended, and with nothing of it alive on the machine.
 *
 * The timeline is append-only by trigger. The trigger lets events of exactly one run go while `meta`
 * names it as `purging`; that row is written and cleared inside the transaction of the removal, so no
 * other connection ever sees it and a crash leaves neither the row nor half a run. A tombstone keeps
 * the last audit hash, so that a timeline kept elsewhere can still be recognised.
 */
import { and, eq, notExists, sql } from './drizzle.ts'
import {
  OpenExecError,
  type Run,
  type RunId,
  type TaskId,
  TERMINAL_STATUSES,
} from '../schema/index.ts'
import type { Db, State } from './database.ts'
import { lastEvent } from './events.ts'
import { getRun } from './runs.ts'
import { listSandboxes } from './sandboxes.ts'
import {
  approvals,
  artifacts,
  events,
  meta,
  purgedRuns,
  queueEntries,
  runs,
  sessions,
  steps,
  tasks,
  toolCalls,
} from './tables.ts'

const GUARD = 'purging'

/** Throws `not_found`, and `conflict` for a run that has not ended or still has a sandbox. */
export function deleteRun(
  state: Pick<State, 'transact'>,
  id: RunId,
  { now }: { now: number },
): void {
  state.transact((tx) => {
    const run = getRun(tx, id)
    const blocker = whatKeeps(tx, run)
    if (blocker !== undefined)
      throw new OpenExecError('conflict', `Cannot remove run "${id}": ${blocker}`, {
        hint: `Stop it first with \`openexec cancel ${id}\``,
      })
    const last = lastEvent(tx, id)
    if (last !== undefined)
      tx.insert(purgedRuns)
        .values({ runId: id, lastSeq: last.seq, lastHash: last.hash, purgedAt: now })
        .run()
    tx.insert(meta).values({ key: GUARD, value: id }).run()
    for (const table of [approvals, artifacts, toolCalls, steps, events, queueEntries])
      tx.delete(table).where(eq(table.runId, id)).run()
    tx.delete(meta).where(eq(meta.key, GUARD)).run()
    tx.delete(runs).where(eq(runs.id, id)).run()
    removeEmptyParents(tx, run.taskId)
  })
}

function whatKeeps(tx: Db, run: Run): string | undefined {
  const ended: readonly string[] = TERMINAL_STATUSES
  if (!ended.includes(run.status)) return `it is ${run.status}`
  const sandbox = listSandboxes(tx).find(({ runId }) => runId === run.id)
  return sandbox === undefined ? undefined : `its sandbox "${sandbox.container}" is not removed yet`
}

function removeEmptyParents(tx: Db, taskId: TaskId): void {
  const task = tx.select().from(tasks).where(eq(tasks.id, taskId)).get()
  if (task === undefined) return
  const runsOfTask = tx.select().from(runs).where(eq(runs.taskId, taskId))
  tx.delete(tasks)
    .where(and(eq(tasks.id, taskId), notExists(runsOfTask)))
    .run()
  const tasksOfSession = tx.select().from(tasks).where(eq(tasks.sessionId, task.sessionId))
  tx.delete(sessions)
    .where(and(eq(sessions.id, task.sessionId), notExists(tasksOfSession)))
    .run()
}

/** What is kept of each run: its artifacts, and its events as they are stored. */
export function bytesOfRuns(db: Db): ReadonlyMap<RunId, number> {
  const sizes = new Map<RunId, number>()
  const stored = sql<number>`sum(length(${events.payload}) + length(${events.volatile}))`
  const kept = sql<number>`sum(${artifacts.size})`
  const rows = [
    ...db.select({ run: events.runId, size: stored }).from(events).groupBy(events.runId).all(),
    ...db
      .select({ run: artifacts.runId, size: kept })
      .from(artifacts)
      .groupBy(artifacts.runId)
      .all(),
  ]
  for (const { run, size } of rows) sizes.set(run, (sizes.get(run) ?? 0) + size)
  return sizes
}
