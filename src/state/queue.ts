/** Rows of runs that wait for a server. Who goes next is decided in `runtime/`. */
import { and, asc, count, desc, eq, isNotNull, lte, notInArray, sql } from './drizzle.ts'
import type { RunId, Tenant } from '../schema/index.ts'
import type { Db } from './database.ts'
import { omitNulls } from './omit-nulls.ts'
import { prepared } from './prepared.ts'
import { queueEntries } from './tables.ts'

export interface QueueEntry {
  runId: RunId
  tenant: Tenant
  /** Higher ones of a tenant go first. */
  priority: number
  enqueuedAt: number
  /** When it has waited too long. */
  expiresAt?: number
}

/** A run that waits already keeps its place. */
export function enqueue(db: Db, entry: QueueEntry): void {
  db.insert(queueEntries).values(entry).onConflictDoNothing().run()
}

/** False when it did not wait. */
export function dequeue(db: Db, runId: RunId): boolean {
  return db.delete(queueEntries).where(eq(queueEntries.runId, runId)).run().changes === 1
}

const selectEntry = prepared((db) =>
  db
    .select({ runId: queueEntries.runId })
    .from(queueEntries)
    .where(eq(queueEntries.runId, sql.placeholder('id')))
    .prepare(),
)

/** Whether a run waits for a server that will execute it. */
export function isQueued(db: Db, id: RunId): boolean {
  return selectEntry(db).get({ id }) !== undefined
}

/** How many wait, by tenant. */
export function countQueued(db: Db): Map<Tenant, number> {
  const rows = db
    .select({ tenant: queueEntries.tenant, waiting: count() })
    .from(queueEntries)
    .groupBy(queueEntries.tenant)
    .all()
  return new Map(rows.map(({ tenant, waiting }) => [tenant, waiting]))
}

/** The first of a tenant: highest priority, then oldest. */
export function nextQueued(
  db: Db,
  tenant: Tenant,
  { except }: { except: readonly RunId[] },
): QueueEntry | undefined {
  const row = db
    .select()
    .from(queueEntries)
    .where(and(eq(queueEntries.tenant, tenant), notInArray(queueEntries.runId, [...except])))
    .orderBy(desc(queueEntries.priority), asc(queueEntries.ordinal))
    .limit(1)
    .get()
  return row === undefined ? undefined : omitNulls(row)
}

export function listExpiredQueued(db: Db, { now }: { now: number }): QueueEntry[] {
  const expired = and(isNotNull(queueEntries.expiresAt), lte(queueEntries.expiresAt, now))
  return db.select().from(queueEntries).where(expired).all().map(omitNulls)
}
