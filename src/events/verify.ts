import type { Event } from '../schema/index.ts'
import { auditHashOf, CHAIN_START, eventTexts, replayHashOf } from './hash.ts'

export interface TimelineCheck {
  ok: boolean
  /** Events that are in order, from the first. */
  verified: number
  /** Whether the last verified event says that the run ended; a cut tail shows only here. */
  complete: boolean
  /** `seq` at which the chain first fails, with the reason. */
  firstBad?: number
  problem?: string
  /** Of the last verified event. */
  replayHash: string
  auditHash: string
}

/** Recomputes both chains from the first event on. */
export function verifyTimeline(events: Iterable<Event>): TimelineCheck {
  const check: TimelineCheck = {
    ok: true,
    verified: 0,
    complete: false,
    replayHash: CHAIN_START,
    auditHash: CHAIN_START,
  }
  let run: Event['run'] | undefined
  for (const event of events) {
    run ??= event.run
    const problem = problemOf(event, { ...check, run })
    if (problem !== undefined) return { ...check, ok: false, firstBad: check.verified + 1, problem }
    check.verified = event.seq
    check.complete = event.type === 'run_completed'
    check.replayHash = event.replayHash
    check.auditHash = event.hash
  }
  return check
}

function problemOf(
  event: Event,
  before: { verified: number; replayHash: string; auditHash: string; run: Event['run'] },
): string | undefined {
  if (event.run !== before.run) return `It belongs to run "${event.run}"`
  if (event.seq !== before.verified + 1)
    return `Expected event ${before.verified + 1}, found ${event.seq}`
  if (event.prev !== before.auditHash) return 'It does not continue the event before it'
  const texts = eventTexts(event)
  if (event.replayHash !== replayHashOf(event, before.replayHash, texts))
    return 'Its replay hash does not match its content'
  if (event.hash !== auditHashOf(event, texts)) return 'Its audit hash does not match its content'
  return undefined
}
