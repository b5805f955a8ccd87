/**
 * Rows of runs. A status changes only by `transitionRun()`, an owner only by `claimRun()`: both are
 * compare-and-set, so that of two processes exactly one wins.
 */
import { and, count, desc, eq, inArray, isNull, lt, notInArray, sql } from './drizzle.ts'
import {
  OpenExecError,
  type Run,
  type RunId,
  type RunStatus,
  type TaskId,
  type Tenant,
  TERMINAL_STATUSES,
} from '../schema/index.ts'
import type { Db } from './database.ts'
import { omitNulls } from './omit-nulls.ts'
import { prepared } from './prepared.ts'
import { runs } from './tables.ts'

type Fixed = 'id' | 'tenant' | 'taskId' | 'blueprint' | 'request' | 'createdAt'
type Guarded = 'status' | 'owner' | 'cancelRequested'

/** What may change freely; `null` clears a field. */
type RunPatch = { [Key in Exclude<keyof Run, Fixed | Guarded>]?: Run[Key] | null }

const selectRun = prepared((db) =>
  db
    .select()
    .from(runs)
    .where(eq(runs.id, sql.placeholder('id')))
    .prepare(),
)

const selectTenant = prepared((db) =>
  db
    .select({ tenant: runs.tenant })
    .from(runs)
    .where(eq(runs.id, sql.placeholder('id')))
    .prepare(),
)

const selectCancel = prepared((db) =>
  db
    .select({ cancelRequested: runs.cancelRequested })
    .from(runs)
    .where(eq(runs.id, sql.placeholder('id')))
    .prepare(),
)

export function insertRun(db: Db, run: Run): void {
  db.insert(runs).values(run).run()
}

/** Throws `not_found`. */
export function getRun(db: Db, id: RunId): Run {
  const row = selectRun(db).get({ id })
  if (row === undefined) throw missing(id)
  return omitNulls(row)
}

/** Who executes a run; undefined when nobody does, or there is no such run. */
export function ownerOfRun(db: Db, id: RunId): string | undefined {
  return selectRun(db).get({ id })?.owner ?? undefined
}

/** How many runs there are, by status. */
export function countRuns(db: Db): Record<string, number> {
  const rows = db.select({ status: runs.status, number: count() }).from(runs).groupBy(runs.status)
  return Object.fromEntries(rows.all().map(({ status, number }) => [status, number]))
}

/** Whose run it is; undefined when there is no such run. */
export function tenantOfRun(db: Db, id: RunId): Tenant | undefined {
  return selectTenant(db).get({ id })?.tenant
}

/** Without the rest of the row, which may be large; false when there is no such run. */
export function isCancelRequested(db: Db, id: RunId): boolean {
  return selectCancel(db).get({ id })?.cancelRequested ?? false
}

interface RunFilter {
  /** `undefined`: of every tenant. */
  tenant: Tenant | undefined
  limit: number
  status: RunStatus | undefined
  /** Only runs older than this one. */
  before: RunId | undefined
}

/** Newest first. */
export function listRuns(db: Db, { tenant, limit, status, before }: RunFilter): Run[] {
  const ordinal = before === undefined ? undefined : selectRun(db).get({ id: before })?.ordinal
  const only = and(
    tenant === undefined ? undefined : eq(runs.tenant, tenant),
    status === undefined ? undefined : eq(runs.status, status),
    ordinal === undefined ? undefined : lt(runs.ordinal, ordinal),
  )
  return db
    .select()
    .from(runs)
    .where(only)
    .orderBy(desc(runs.ordinal))
    .limit(limit)
    .all()
    .map(omitNulls)
}

/** The newest run of a task; undefined when it has none. */
export function latestRunOfTask(db: Db, taskId: TaskId): Run | undefined {
  const newest = db.select().from(runs).where(eq(runs.taskId, taskId)).orderBy(desc(runs.ordinal))
  const row = newest.limit(1).get()
  return row === undefined ? undefined : omitNulls(row)
}

/** Runs from which a status can still follow, oldest first. */
export function listUnfinishedRuns(db: Db): Run[] {
  const rows = db
    .select()
    .from(runs)
    .where(notInArray(runs.status, [...TERMINAL_STATUSES]))
    .orderBy(runs.ordinal)
    .all()
  return rows.map(omitNulls)
}

/** Throws `not_found`. */
export function updateRun(db: Db, id: RunId, patch: RunPatch): void {
  if (Object.keys(patch).length === 0) return
  const { changes } = db.update(runs).set(patch).where(eq(runs.id, id)).run()
  if (changes === 0) throw missing(id)
}

interface RunTransition {
  from: readonly RunStatus[]
  patch: RunPatch & { status: RunStatus }
}

/** Moves a run on when it stands where the caller believes; false when it does not. */
export function transitionRun(db: Db, id: RunId, { from, patch }: RunTransition): boolean {
  const { changes } = db
    .update(runs)
    .set(patch)
    .where(and(eq(runs.id, id), inArray(runs.status, [...from])))
    .run()
  return changes === 1
}

/**
 * Takes (or with `owner: undefined` gives up) an unfinished run whose owner is `expectedOwner`;
 * false when another process was first.
 */
export function claimRun(
  db: Db,
  id: RunId,
  { owner, expectedOwner }: { owner: string | undefined; expectedOwner: string | undefined },
): boolean {
  const expected = expectedOwner === undefined ? isNull(runs.owner) : eq(runs.owner, expectedOwner)
  const { changes } = db
    .update(runs)
    .set({ owner: owner ?? null })
    .where(and(eq(runs.id, id), expected, notInArray(runs.status, [...TERMINAL_STATUSES])))
    .run()
  return changes === 1
}

/** Gives up a run, ended or not; false when somebody else owns it. */
export function releaseRun(db: Db, id: RunId, { owner }: { owner: string }): boolean {
  const mine = and(eq(runs.id, id), eq(runs.owner, owner))
  return db.update(runs).set({ owner: null }).where(mine).run().changes === 1
}

/** Asks the owner to stop. True the first time; false when asked before or already ended. */
export function requestCancel(db: Db, id: RunId): boolean {
  getRun(db, id)
  const { changes } = db
    .update(runs)
    .set({ cancelRequested: true })
    .where(
      and(
        eq(runs.id, id),
        eq(runs.cancelRequested, false),
        notInArray(runs.status, [...TERMINAL_STATUSES]),
      ),
    )
    .run()
  return changes === 1
}

function missing(id: RunId): OpenExecError {
  return new OpenExecError('not_found', `Cannot find run "${id}"`, {
    hint: 'List runs with `openexec ps`',
  })
}

/** `undefined` for a run that is not there any more. */
export function statusOfRun(db: Db, id: RunId): RunStatus | undefined {
  return db.select({ status: runs.status }).from(runs).where(eq(runs.id, id)).get()?.status
}
