/** What a sandbox does, as spans. */
import { traced, tracedLater, traceOver } from '../events/index.ts'
import type { SandboxSpec } from '../sandbox/index.ts'
import type { NewEvent } from '../schema/index.ts'

export async function tracedStart<Kind>(
  { id, confinement }: Pick<SandboxSpec, 'id' | 'confinement'>,
  start: () => Promise<Kind>,
): Promise<Kind> {
  const facts = { 'openexec.sandbox.id': id, 'openexec.sandbox.mode': confinement.mode }
  return await traced({ name: 'sandbox start', facts, partOf: 'here' }, start)
}

type Write = (events: readonly NewEvent[]) => unknown

/** Where it wanted to go and what was decided, part of what goes on now whenever it is written. */
export function tracedEgress(write: Write): (events: readonly NewEvent[]) => void {
  const tell = tracedLater(traceEgress)
  return (events) => {
    write(events)
    tell(events)
  }
}

function traceEgress(events: readonly NewEvent[]): void {
  for (const { type, payload, volatile } of events) {
    if (type !== 'egress') continue
    const { host, port, decision } = payload
    const facts = {
      'server.address': plain(host),
      'server.port': plain(port),
      'openexec.decision': plain(decision),
    }
    traceOver('egress', facts, Number(volatile?.['duration_ms'] ?? 0))
  }
}

function plain(value: unknown): string | number | undefined {
  return typeof value === 'string' || typeof value === 'number' ? value : undefined
}
