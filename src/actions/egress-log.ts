/**
 * What a sandbox wanted of the network, as events: one for each host, port and decision since the
 * last time it was written, in an order that does not depend on which connection was quicker. What
 * a task can make many of is counted, never listed without end.
 */
import type { EgressRecord } from '../sandbox/index.ts'
import type { NewEvent } from '../schema/index.ts'

export interface EgressLog {
  add(record: EgressRecord): void
  /** The events since the last call. */
  take(): NewEvent[]
}

/** Events of one run. */
const EVENTS_MAX = 1_000
/** Kept between two calls. */
const KINDS_MAX = 200

interface Counted extends EgressRecord {
  connections: number
}

export function createEgressLog(): EgressLog {
  const counted = new Map<string, Counted>()
  let [written, left] = [0, 0]
  return {
    add(record) {
      const { stage, via, method = '', host, port, outcome, rule, secrets } = record
      const key = JSON.stringify([stage, host, port, outcome, rule, via, method, secrets])
      const known = counted.get(key)
      if (known === undefined && counted.size >= KINDS_MAX) {
        left++
        return
      }
      counted.set(key, known === undefined ? { ...record, connections: 1 } : added(known, record))
    },
    take() {
      const events = [...counted.entries()]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([, each]) => eventOf(each))
        .slice(0, EVENTS_MAX - written)
      left += counted.size - events.length
      counted.clear()
      written += events.length
      if (left === 0) return events
      const message = `${left} more kinds of connections were decided than are listed`
      left = 0
      return [...events, { type: 'notice', payload: { kind: 'egress', message } }]
    },
  }
}

function added(known: Counted, record: EgressRecord): Counted {
  return {
    ...known,
    connections: known.connections + 1,
    bytesIn: known.bytesIn + record.bytesIn,
    bytesOut: known.bytesOut + record.bytesOut,
    durationMs: known.durationMs + record.durationMs,
  }
}

function eventOf(counted: Counted): NewEvent {
  const { stage, via, method, host, port, outcome, rule, secrets, reason, remedy } = counted
  const why = outcome === 'allowed' ? {} : { reason, remedy }
  const used = secrets.length === 0 ? {} : { secrets: [...secrets] }
  return {
    type: 'egress',
    stage,
    payload: {
      host,
      port,
      via,
      decision: outcome,
      rule,
      ...(method !== undefined && { method }),
      ...used,
      ...why,
    },
    volatile: {
      connections: counted.connections,
      bytes_in: counted.bytesIn,
      bytes_out: counted.bytesOut,
      duration_ms: counted.durationMs,
    },
  }
}
