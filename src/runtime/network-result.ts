import { z } from 'zod'
import type { Event, RunResult } from '../schema/index.ts'

const Payload = z.object({
  host: z.string(),
  port: z.number().int(),
  decision: z.enum(['allowed', 'denied', 'failed']),
  rule: z.string(),
  remedy: z.string().default(''),
})
const Volatile = z.object({
  connections: z.number().int().default(1),
  bytes_in: z.number().int().default(0),
  bytes_out: z.number().int().default(0),
})
type Row = NonNullable<RunResult['network']>[number]

const ROWS_MAX = 200

/** The egress events of a run, added up by host, port and decision; nothing when there are none. */
export function networkOf(events: readonly Event[]): Pick<RunResult, 'network'> {
  const rows = new Map<string, Row>()
  for (const { payload, volatile } of events) {
    const [said, counted] = [Payload.safeParse(payload), Volatile.safeParse(volatile)]
    if (!said.success || !counted.success) continue
    const { host, port, decision, rule } = said.data
    const key = JSON.stringify([host, port, decision, rule])
    const known = rows.get(key) ?? { ...said.data, connections: 0, bytes_in: 0, bytes_out: 0 }
    rows.set(key, {
      ...known,
      connections: known.connections + counted.data.connections,
      bytes_in: known.bytes_in + counted.data.bytes_in,
      bytes_out: known.bytes_out + counted.data.bytes_out,
    })
  }
  return rows.size === 0 ? {} : { network: [...rows.values()].slice(0, ROWS_MAX) }
}

const OFFLINE =
  'A command says it found no network. Inside a sandbox there are no name lookups and no routes: programs reach the hosts of network.allow through the proxy that HTTP_PROXY and HTTPS_PROXY name. Add the host to network.allow of the policy, and have the program use the proxy'

/** A guess for a run that failed; nothing when no command sounded like it. */
export function hintsOf(completed: readonly Event[]): Pick<RunResult, 'hints'> {
  const isOffline = completed.some(({ volatile }) => volatile?.['offline'] === true)
  return isOffline ? { hints: [OFFLINE] } : {}
}
