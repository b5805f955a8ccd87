/**
 * The first words with a container that has just started: the supervisor's greeting over the pipe,
 * then, at the same time, what the engine says it has set and what the inside shows.
 */
import { randomBytes } from 'node:crypto'
import { pipeline } from 'node:stream'
import type { Engine } from './connect.ts'
import { AttachDemux } from './demux.ts'
import { engineCall } from './engine-call.ts'
import { engineGet } from './engine-get.ts'
import { readInside, type InsideFacts } from './inside-facts.ts'
import { InspectFacts } from './inspect-facts.ts'
import { openPipe, type Pipe } from './pipe.ts'
import type { StartedContainer } from './start.ts'

export interface Greeting {
  pipe: Pipe
  inspect: InspectFacts
  inside: InsideFacts
  /** Last words of the supervisor on its standard error. */
  stderrTail(): Buffer
}

const GREETING_TIMEOUT_MS = 15_000
const INSPECT_TIMEOUT_MS = 10_000
/** A sandbox whose orchestrator is gone ends itself after this time. */
const ORPHAN_TIMEOUT_MS = 120_000

/** Throws `sandbox_lost`, `sandbox_protocol_error`, `timed_out`, `engine_failed`, `cancelled`. */
export async function greet(
  engine: Engine,
  { container, stream }: StartedContainer,
  signal: AbortSignal,
): Promise<Greeting> {
  const demux = new AttachDemux()
  // The pipe hears of an error from the end it holds; both ends go together.
  pipeline(stream, demux, () => {})
  const [{ pipe, inside }, inspect] = await Promise.all([
    look({ readable: demux, writable: stream }, signal),
    inspectContainer(engine, container.id, signal),
  ])
  return { pipe, inside, inspect, stderrTail: () => demux.stderrTail }
}

async function look(
  ends: { readable: AttachDemux; writable: StartedContainer['stream'] },
  signal: AbortSignal,
): Promise<{ pipe: Pipe; inside: InsideFacts }> {
  const pipe = await openPipe(ends, {
    key: randomBytes(32).toString('hex'),
    marker: randomBytes(32),
    orphanTimeoutMs: ORPHAN_TIMEOUT_MS,
    openTimeoutMs: GREETING_TIMEOUT_MS,
    signal,
    now: () => performance.now(),
  })
  const limit = AbortSignal.any([signal, AbortSignal.timeout(GREETING_TIMEOUT_MS)])
  return { pipe, inside: readInside(await pipe.probe({ signal: limit })) }
}

async function inspectContainer(
  engine: Engine,
  id: string,
  signal: AbortSignal,
): Promise<InspectFacts> {
  const call = {
    action: `inspect sandbox container "${id.slice(0, 12)}"`,
    missing: 'sandbox_lost',
    timeoutMs: INSPECT_TIMEOUT_MS,
    signal,
  } as const
  const answer = await engineCall(call, (limit) =>
    engineGet(engine.docker, `/containers/${id}/json`, {
      timeoutMs: INSPECT_TIMEOUT_MS,
      signal: limit,
    }),
  )
  return InspectFacts.parse(answer)
}
