/**
 * The two hashes of an event; this file is their definition. Both are lower-case hex sha256 over
 * canonical JSON after RFC 8785 (UTF-8, keys sorted by UTF-16 code unit, no white space), with
 * members that are absent left out.
 *
 * Replay hash — equal for an exact re-execution, so no clock, run id, duration, host path or pid:
 *   {attempt?, cause?, payload, prev, seq, stage?, type, v}   where prev = replay hash before
 * Audit hash — covers everything that is stored, the replay hash among it:
 *   {attempt?, cause?, payload, prev, replayHash, run, seq, stage?, ts, type, v, volatile}
 *                                                             where prev = audit hash before
 * The first event of a run has 64 zeros as prev in both chains.
 */
import { type Event, hashJson } from '../schema/index.ts'

export const CHAIN_START = '0'.repeat(64)

type Body = Omit<Event, 'prev' | 'replayHash' | 'hash'>

/** The event with its place in both chains. */
export function sealEvent(body: Body, before: Pick<Event, 'hash' | 'replayHash'>): Event {
  const replayHash = replayHashOf(body, before.replayHash)
  const prev = before.hash
  return { ...body, prev, replayHash, hash: auditHashOf({ ...body, prev, replayHash }) }
}

export function replayHashOf(body: Body, prev: string): string {
  const { v, seq, type, stage, attempt, cause, payload } = body
  return hashJson({ v, seq, type, stage, attempt, cause, payload, prev })
}

export function auditHashOf(body: Omit<Event, 'hash'>): string {
  const { v, run, seq, ts, type, stage, attempt, cause, payload, volatile, prev, replayHash } = body
  return hashJson({
    v,
    run,
    seq,
    ts,
    type,
    stage,
    attempt,
    cause,
    payload,
    volatile,
    prev,
    replayHash,
  })
}
