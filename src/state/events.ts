/** Rows of the timeline. What they mean and how they are chained is told in `events/`. */
import { and, asc, count, desc, eq, gt, inArray, sql } from './drizzle.ts'
import {
  type Event,
  type EventType,
  JsonObject,
  OpenExecError,
  type RunId,
  type Tenant,
} from '../schema/index.ts'
import type { Db } from './database.ts'
import { omitNulls } from './omit-nulls.ts'
import { prepared } from './prepared.ts'
import { events, runs } from './tables.ts'

const insert = prepared((db) =>
  db
    .insert(events)
    .values({
      runId: sql.placeholder('run'),
      seq: sql.placeholder('seq'),
      ts: sql.placeholder('ts'),
      type: sql.placeholder('type'),
      stage: sql.placeholder('stage'),
      attempt: sql.placeholder('attempt'),
      cause: sql.placeholder('cause'),
      payload: sql.placeholder('payload'),
      volatile: sql.placeholder('volatile'),
      prev: sql.placeholder('prev'),
      replayHash: sql.placeholder('replayHash'),
      hash: sql.placeholder('hash'),
    })
    .prepare(),
)

const selectLast = prepared((db) =>
  db
    .select({ seq: events.seq, hash: events.hash, replayHash: events.replayHash })
    .from(events)
    .where(eq(events.runId, sql.placeholder('run')))
    .orderBy(desc(events.seq))
    .limit(1)
    .prepare(),
)

const selectAfter = prepared((db) =>
  db
    .select()
    .from(events)
    .where(and(eq(events.runId, sql.placeholder('run')), gt(events.seq, sql.placeholder('after'))))
    .orderBy(asc(events.seq))
    .limit(sql.placeholder('limit'))
    .prepare(),
)

const selectAll = prepared((db) =>
  db
    .select()
    .from(events)
    .innerJoin(runs, eq(runs.id, events.runId))
    .where(
      and(
        eq(runs.tenant, sql.placeholder('tenant')),
        gt(events.position, sql.placeholder('after')),
      ),
    )
    .orderBy(asc(events.position))
    .limit(sql.placeholder('limit'))
    .prepare(),
)

const selectOfType = prepared((db) =>
  db
    .select()
    .from(events)
    .where(and(eq(events.runId, sql.placeholder('run')), eq(events.type, sql.placeholder('type'))))
    .orderBy(asc(events.seq))
    .prepare(),
)

const countOfType = prepared((db) =>
  db
    .select({ number: count() })
    .from(events)
    .where(and(eq(events.runId, sql.placeholder('run')), eq(events.type, sql.placeholder('type'))))
    .prepare(),
)

/** Where the chain of a run ends. */
type ChainEnd = Pick<Event, 'seq' | 'hash' | 'replayHash'>

/**
 * `texts` are payload and volatile part as canonical JSON. The database refuses an event that does
 * not continue its run's chain.
 */
export function insertEvent(
  db: Db,
  event: Event,
  texts: { payload: string; volatile: string },
): void {
  insert(db).run({
    ...event,
    stage: event.stage ?? null,
    attempt: event.attempt ?? null,
    cause: event.cause ?? null,
    ...texts,
  })
}

export function lastEvent(db: Db, runId: RunId): ChainEnd | undefined {
  return selectLast(db).get({ run: runId })
}

/** Oldest first, `seq` above `after`. Throws `state_corrupt` for a row that holds no JSON. */
export function readEvents(
  db: Db,
  runId: RunId,
  { after, limit }: { after: number; limit: number },
): Event[] {
  return selectAfter(db).all({ run: runId, after, limit }).map(eventOf)
}

/** An event with its place in the order of all commits. */
export interface PlacedEvent {
  position: number
  event: Event
}

/** Of every run of a tenant, oldest first, `position` above `after`. */
export function readAllEvents(
  db: Db,
  tenant: Tenant,
  { after, limit }: { after: number; limit: number },
): PlacedEvent[] {
  return selectAll(db)
    .all({ tenant, after, limit })
    .map(({ events: row }) => ({ position: row.position, event: eventOf(row) }))
}

/** Of every tenant, oldest first, `position` above `after`; only of these types. */
export function readEventsOfTypes(
  db: Db,
  types: readonly EventType[],
  { after, limit }: { after: number; limit: number },
): (PlacedEvent & { tenant: Tenant })[] {
  return db
    .select()
    .from(events)
    .innerJoin(runs, eq(runs.id, events.runId))
    .where(and(gt(events.position, after), inArray(events.type, [...types])))
    .orderBy(asc(events.position))
    .limit(limit)
    .all()
    .map(({ events: row, runs: { tenant } }) => ({
      position: row.position,
      tenant,
      event: eventOf(row),
    }))
}

/** The place of the newest event in the order of all commits; 0 when there is none. */
export function lastPosition(db: Db): number {
  const newest = db.select({ position: events.position }).from(events)
  return newest.orderBy(desc(events.position)).limit(1).get()?.position ?? 0
}

/** All events of one type, oldest first. Throws `state_corrupt` for a row that holds no JSON. */
export function readEventsOfType(db: Db, runId: RunId, type: EventType): Event[] {
  return selectOfType(db).all({ run: runId, type }).map(eventOf)
}

export function countEvents(db: Db, runId: RunId, type: EventType): number {
  return countOfType(db).get({ run: runId, type })?.number ?? 0
}

/** How many events are kept, of all runs; what was removed leaves gaps in the order. */
export function countAllEvents(db: Db): number {
  return db.select({ number: count() }).from(events).get()?.number ?? 0
}

function eventOf(row: typeof events.$inferSelect): Event {
  const { position: _, runId: run, payload, volatile, ...rest } = omitNulls(row)
  const parse = (text: string) => parseObject(text, { run, seq: row.seq })
  return { v: 1, run, ...rest, payload: parse(payload), volatile: parse(volatile) }
}

function parseObject(text: string, { run, seq }: { run: RunId; seq: number }): JsonObject {
  try {
    return JsonObject.parse(JSON.parse(text))
  } catch (error) {
    throw new OpenExecError('state_corrupt', `Cannot read event ${seq} of run "${run}"`, {
      hint: `Check the timeline with \`openexec audit verify ${run}\``,
      details: { run, seq },
      cause: error,
    })
  }
}
