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
import { createHash } from 'node:crypto'
import { canonicalJson, type Event } from '../schema/index.ts'

export const CHAIN_START = '0'.repeat(64)

export type EventBody = Omit<Event, 'prev' | 'replayHash' | 'hash'>

/** Canonical JSON of the two large members, so that it is made once for all that need it. */
export interface EventTexts {
  payload: string
  volatile: string
}

export function eventTexts({ payload, volatile }: Pick<Event, 'payload' | 'volatile'>): EventTexts {
  return { payload: canonicalJson(payload), volatile: canonicalJson(volatile) }
}

/** The event with its place in both chains. */
export function sealEvent(
  body: EventBody,
  before: Pick<Event, 'hash' | 'replayHash'>,
  texts: EventTexts,
): Event {
  const replayHash = replayHashOf(body, before.replayHash, texts)
  const sealed = { ...body, prev: before.hash, replayHash }
  return { ...sealed, hash: auditHashOf(sealed, texts) }
}

export function replayHashOf(body: EventBody, prev: string, texts: EventTexts): string {
  return hashMembers([
    ['attempt', body.attempt],
    ['cause', body.cause],
    ['payload', { text: texts.payload }],
    ['prev', prev],
    ['seq', body.seq],
    ['stage', body.stage],
    ['type', body.type],
    ['v', body.v],
  ])
}

/** Replay hash of an event that follows one with the replay hash `before`. */
export function chainHash(body: EventBody, before: string): string {
  return replayHashOf(body, before, eventTexts(body))
}

export function auditHashOf(body: Omit<Event, 'hash'>, texts: EventTexts): string {
  return hashMembers([
    ['attempt', body.attempt],
    ['cause', body.cause],
    ['payload', { text: texts.payload }],
    ['prev', body.prev],
    ['replayHash', body.replayHash],
    ['run', body.run],
    ['seq', body.seq],
    ['stage', body.stage],
    ['ts', body.ts],
    ['type', body.type],
    ['v', body.v],
    ['volatile', { text: texts.volatile }],
  ])
}

type Member = [key: string, value: string | number | { text: string } | undefined]

/** `members` come sorted by key; `text` is canonical JSON already. */
function hashMembers(members: readonly Member[]): string {
  const present = members.flatMap(([key, value]) => {
    if (value === undefined) return []
    return [`"${key}":${typeof value === 'object' ? value.text : canonicalJson(value)}`]
  })
  return createHash('sha256')
    .update(`{${present.join(',')}}`)
    .digest('hex')
}
