import { and, eq } from './drizzle.ts'
import { OpenExecError, type Task, type TaskId, type Tenant } from '../schema/index.ts'
import type { Db } from './database.ts'
import { omitNulls } from './omit-nulls.ts'
import { tasks } from './tables.ts'

export function insertTask(db: Db, task: Task): void {
  db.insert(tasks).values(task).run()
}

/** Throws `not_found`. */
export function getTask(db: Db, tenant: Tenant, id: TaskId): Task {
  const row = db
    .select()
    .from(tasks)
    .where(and(eq(tasks.tenant, tenant), eq(tasks.id, id)))
    .get()
  if (row === undefined) throw new OpenExecError('not_found', `Cannot find task "${id}"`)
  return omitNulls(row)
}
