/**
 * The timeline of every run: ordered, append-only, hash-chained.
 *
 * Owns the place of an event in its chain and who hears of it. An event commits in the transaction
 * of the state change it tells of; followers and the JSONL copy are told after that commit and never
 * of one that was rolled back. What secrets it would hold is taken out before it is hashed.
 */
import {
  type Clock,
  type Event,
  type Log,
  type NewEvent,
  OpenExecError,
  type RunId,
  type Tenant,
} from '../schema/index.ts'
import {
  type Db,
  insertEvent,
  lastEvent,
  type PlacedEvent,
  readEvents,
  type State,
} from '../state/index.ts'
import { createBell } from './bell.ts'
import { follow, type FollowOptions } from './follow.ts'
import { followAll, type FollowAllOptions } from './follow-all.ts'
import { CHAIN_START, type EventBody, type EventTexts, eventTexts, sealEvent } from './hash.ts'
import { createMirrorQueue } from './mirror-queue.ts'
import type { Redactor } from './redact.ts'
import type { TimelineCheck } from './verify.ts'
import { type CopyCheck, verifyCopy } from './verify-copy.ts'
import { verifyStored } from './verify-stored.ts'

/** Bytes of canonical JSON, of the payload and of the volatile part each. */
export const PAYLOAD_BYTES_MAX = 65_536

interface TimelineDeps {
  state: State
  now: Clock
  /** What keeps the secrets of a run out of its events. */
  redactorOf(runId: RunId): Redactor
  /** Where `<run>/timeline.jsonl` is written; `undefined` for no files. */
  mirror: { runsDir: string; log: Log } | undefined
}

export interface Timeline {
  /**
   * Adds events in the caller's transaction, which must be going on. Others hear of them after its
   * commit. A value above `PAYLOAD_BYTES_MAX` is a bug of the caller: it belongs into an artifact.
   */
  append(tx: Db, runId: RunId, events: NewEvent | readonly NewEvent[]): Event[]
  /** The same in a transaction of its own; many events at once cost little more than one. */
  publish(runId: RunId, events: NewEvent | readonly NewEvent[]): Event[]
  /** Oldest first, `seq` above `after`. */
  read(runId: RunId, options: { after: number; limit: number }): Event[]
  /** Stored events, then new ones as they come. Throws `not_found`. */
  follow(runId: RunId, options: FollowOptions): AsyncGenerator<Event>
  /** Events of every run of a tenant in the order of their commits, from `after` on, as they come. */
  followAll(tenant: Tenant, options: FollowAllOptions): AsyncGenerator<PlacedEvent>
  /** Recomputes the chains of a run from what is stored. */
  verify(runId: RunId): TimelineCheck
  /** Holds the JSONL copy against what is stored; `undefined` where no copies are made. */
  verifyCopy(runId: RunId): CopyCheck | undefined
  /** Wakes all followers and writes what the files lack; the state must still be open. */
  [Symbol.dispose](): void
}

export function createTimeline({ state, now, redactorOf, mirror }: TimelineDeps): Timeline {
  const bell = createBell(state)
  const files = mirror && createMirrorQueue({ state, runsDir: mirror.runsDir }, mirror.log)
  const announce = (runId: RunId, events: readonly Event[]): void => {
    files?.add(runId)
    if (events.some(({ type }) => type === 'run_completed')) files?.flush()
    bell.ring(runId)
  }
  const append: Timeline['append'] = (tx, runId, events) => {
    if (!state.inTransaction) throw new Error('Cannot append events outside of a transaction')
    const drafts: readonly NewEvent[] = Array.isArray(events) ? events : [events]
    const redactor = redactorOf(runId)
    let end = lastEvent(tx, runId) ?? { seq: 0, hash: CHAIN_START, replayHash: CHAIN_START }
    const sealed = drafts.map((draft) => {
      const place = { run: runId, seq: end.seq + 1, ts: now() }
      const body = bodyOf(draft, place, redactor)
      const texts = fittingTexts(body)
      const event = sealEvent(body, end, texts)
      insertEvent(tx, event, texts)
      end = event
      return event
    })
    if (sealed.length > 0) state.afterCommit(() => announce(runId, sealed))
    return sealed
  }
  return {
    append,
    publish: (runId, events) => state.transact((tx) => append(tx, runId, events)),
    read: (runId, options) => readEvents(state.db, runId, options),
    follow: (runId, options) => follow({ state, bell }, runId, options),
    followAll: (tenant, options) => followAll({ state, bell }, tenant, options),
    verify: (runId) => verifyStored(state.db, runId),
    verifyCopy(runId) {
      // What this process has yet to write is no difference.
      files?.flush()
      return mirror && verifyCopy({ state, runsDir: mirror.runsDir }, runId)
    },
    [Symbol.dispose]: () => {
      bell[Symbol.dispose]()
      files?.flush()
    },
  }
}

function bodyOf(
  { payload, volatile = {}, ...rest }: NewEvent,
  place: Pick<Event, 'run' | 'seq' | 'ts'>,
  redactor: Redactor,
): EventBody {
  const clean = { payload: redactor.json(payload), volatile: redactor.json(volatile) }
  return { v: 1, ...place, ...rest, ...clean }
}

function fittingTexts(body: EventBody): EventTexts {
  const texts = eventTexts(body)
  for (const part of ['payload', 'volatile'] as const) {
    const bytes = Buffer.byteLength(texts[part])
    if (bytes > PAYLOAD_BYTES_MAX)
      throw new OpenExecError(
        'internal',
        `Cannot append event "${body.type}" to run "${body.run}": its ${part} has ${bytes} bytes, at most ${PAYLOAD_BYTES_MAX} fit`,
        { hint: 'Store the value as an artifact and name its sha256 and size in the event' },
      )
  }
  return texts
}
