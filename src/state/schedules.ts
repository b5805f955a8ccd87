/** Rows of schedules and their ticks. When something is due, and what becomes of it, is decided in `runtime/`. */
import { and, asc, count, desc, eq, inArray, isNotNull, isNull, lte } from './drizzle.ts'
import {
  OpenExecError,
  type RunId,
  type Schedule,
  type ScheduleId,
  ScheduleTick,
  type Tenant,
} from '../schema/index.ts'
import type { Db } from './database.ts'
import { omitNulls } from './omit-nulls.ts'
import { schedules, scheduleTicks } from './service-tables.ts'

export interface TickPlace {
  scheduleId: ScheduleId
  tickAt: number
}

type Outcome = ScheduleTick['outcome']

/** Throws `conflict` for a name that the tenant has already. */
export function insertSchedule(db: Db, schedule: Schedule): void {
  const { name, tenant } = schedule
  const same = and(eq(schedules.tenant, tenant), eq(schedules.name, name))
  if (db.select().from(schedules).where(same).get() !== undefined)
    throw new OpenExecError('conflict', `Cannot add schedule "${name}": there is one already`, {
      hint: 'Name it otherwise, or remove the other with `openexec schedule rm`',
    })
  db.insert(schedules).values(schedule).run()
}

/** Oldest first. */
export function listSchedules(db: Db, tenant: Tenant): Schedule[] {
  const rows = db.select().from(schedules).where(eq(schedules.tenant, tenant))
  return rows.orderBy(asc(schedules.ordinal)).all().map(omitNulls)
}

export function countSchedules(db: Db, tenant: Tenant): number {
  const mine = eq(schedules.tenant, tenant)
  return db.select({ number: count() }).from(schedules).where(mine).get()?.number ?? 0
}

/** By id or name. Throws `not_found`. */
export function getSchedule(db: Db, tenant: Tenant, idOrName: string): Schedule {
  const mine = eq(schedules.tenant, tenant)
  const rows = db.select().from(schedules).where(mine).all()
  const row = rows.find(({ id }) => id === idOrName) ?? rows.find(({ name }) => name === idOrName)
  if (row !== undefined) return omitNulls(row)
  throw new OpenExecError('not_found', `Cannot find schedule "${idOrName}"`, {
    hint: 'List schedules with `openexec schedule list`',
  })
}

/** With the record of its ticks; the runs it started stay. */
export function removeSchedule(db: Db, id: ScheduleId): void {
  db.delete(scheduleTicks).where(eq(scheduleTicks.scheduleId, id)).run()
  db.delete(schedules).where(eq(schedules.id, id)).run()
}

export function pauseSchedule(
  db: Db,
  id: ScheduleId,
  { reason, now }: { reason: string; now: number },
): void {
  db.update(schedules)
    .set({ pausedAt: now, pausedReason: reason, nextAt: null })
    .where(and(eq(schedules.id, id), isNull(schedules.pausedAt)))
    .run()
}

/** Goes on with it; what was due meanwhile is not made up for. */
export function resumeSchedule(
  db: Db,
  id: ScheduleId,
  { nextAt, createdBy }: { nextAt: number | undefined; createdBy: string },
): void {
  db.update(schedules)
    .set({ pausedAt: null, pausedReason: null, nextAt: nextAt ?? null, createdBy })
    .where(eq(schedules.id, id))
    .run()
}

/** Of every tenant. */
export function listDueSchedules(db: Db, { now }: { now: number }): Schedule[] {
  const due = and(isNotNull(schedules.nextAt), lte(schedules.nextAt, now))
  return db.select().from(schedules).where(due).all().map(omitNulls)
}

export function moveSchedule(db: Db, id: ScheduleId, nextAt: number | undefined): void {
  db.update(schedules)
    .set({ nextAt: nextAt ?? null })
    .where(eq(schedules.id, id))
    .run()
}

/** False when this tick was there before: each happens once. */
export function insertTick(
  db: Db,
  { scheduleId, tickAt }: TickPlace,
  tick: { tenant: Tenant; outcome: Outcome; detail: string | undefined; now: number },
): boolean {
  const { tenant, outcome, detail, now: decidedAt } = tick
  const row = { scheduleId, tickAt, tenant, outcome, detail: detail ?? null, decidedAt }
  return db.insert(scheduleTicks).values(row).onConflictDoNothing().run().changes === 1
}

/** False when it is not what it was expected to be. */
export function changeTick(
  db: Db,
  place: TickPlace,
  change: { from: Outcome; to: Outcome; detail: string | undefined; now: number },
): boolean {
  const { from, to, detail, now } = change
  return (
    db
      .update(scheduleTicks)
      .set({ outcome: to, detail: detail ?? null, decidedAt: now })
      .where(and(at(place), eq(scheduleTicks.outcome, from)))
      .run().changes === 1
  )
}

/** In the transaction that makes the run. Throws `conflict` where the tick has one, or is given up. */
export function startTick(db: Db, place: TickPlace, { runId }: { runId: RunId }): void {
  const claimed = and(at(place), eq(scheduleTicks.outcome, 'claimed'))
  const change = { outcome: 'started', runId } as const
  if (db.update(scheduleTicks).set(change).where(claimed).run().changes === 1) return
  throw new OpenExecError('conflict', 'Cannot start a run of the schedule: its tick is over')
}

/** Newest first. */
export function listTicks(db: Db, id: ScheduleId, { limit }: { limit: number }): ScheduleTick[] {
  const rows = db.select().from(scheduleTicks).where(eq(scheduleTicks.scheduleId, id))
  return rows
    .orderBy(desc(scheduleTicks.tickAt))
    .limit(limit)
    .all()
    .map((row) => ScheduleTick.parse(omitNulls(row)))
}

/** Of every tenant: ticks that are to become runs, with their schedules. */
export function listOpenTicks(db: Db): { tick: TickPlace; outcome: Outcome; schedule: Schedule }[] {
  return db
    .select()
    .from(scheduleTicks)
    .innerJoin(schedules, eq(schedules.id, scheduleTicks.scheduleId))
    .where(inArray(scheduleTicks.outcome, ['claimed', 'waiting']))
    .orderBy(asc(scheduleTicks.tickAt))
    .all()
    .map(({ schedule_ticks: { scheduleId, tickAt, outcome }, schedules: row }) => ({
      tick: { scheduleId, tickAt },
      outcome,
      schedule: omitNulls(row),
    }))
}

/** The run that the schedule started last. */
export function lastRunOfSchedule(db: Db, id: ScheduleId): RunId | undefined {
  const started = and(eq(scheduleTicks.scheduleId, id), isNotNull(scheduleTicks.runId))
  const rows = db.select().from(scheduleTicks).where(started)
  return rows.orderBy(desc(scheduleTicks.tickAt)).limit(1).get()?.runId ?? undefined
}

/** The newest `keep` of a schedule stay. */
export function removeOldTicks(db: Db, id: ScheduleId, { keep }: { keep: number }): void {
  const mine = eq(scheduleTicks.scheduleId, id)
  const rows = db.select().from(scheduleTicks).where(mine).orderBy(desc(scheduleTicks.tickAt))
  const last = rows.limit(1).offset(keep).get()
  if (last === undefined) return
  db.delete(scheduleTicks)
    .where(and(mine, lte(scheduleTicks.tickAt, last.tickAt)))
    .run()
}

function at({ scheduleId, tickAt }: TickPlace) {
  return and(eq(scheduleTicks.scheduleId, scheduleId), eq(scheduleTicks.tickAt, tickAt))
}
