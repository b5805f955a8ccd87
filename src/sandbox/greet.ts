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
import type { PipeEnds } from './pipe-link.ts'
import { openPipe, type Pipe } from './pipe.ts'
import type { StartedContainer } from './start.ts'

export interface Greeting {
  pipe: Pipe
  inspect: InspectFacts
  inside: InsideFacts
  /** Last words of the supervisor on its standard error. */
  stderrTail(): Buffer
}

/** By what a later attach finds the same sandbox again, and how long it waits for one. */
export interface PipeSession {
  /** 64 lower-case hex digits. */
  key: string
  /** `ms` without an orchestrator after which the sandbox ends itself. */
  orphanTimeoutMs: number
}

const GREETING_TIMEOUT_MS = 15_000
const INSPECT_TIMEOUT_MS = 10_000
/** Long enough for a server to be started again; then nobody comes any more, and it ends itself. */
export const ORPHAN_TIMEOUT_MS = 600_000

/** For a sandbox that lives as long as its orchestrator, or goes on under the next. */
export function ownSession(): PipeSession {
  return { key: randomBytes(32).toString('hex'), orphanTimeoutMs: ORPHAN_TIMEOUT_MS }
}

/** Throws `sandbox_lost`, `sandbox_protocol_error`, `timed_out`, `engine_failed`, `cancelled`. */
export async function greet(
  engine: Engine,
  { container, stream }: StartedContainer,
  { session, signal }: { session: PipeSession; signal: AbortSignal },
): Promise<Greeting> {
  const { ends, stderrTail } = demuxed(stream)
  const [{ pipe, inside }, inspect] = await Promise.all([
    look(ends, { session, signal }),
    inspectContainer(engine, container.id, signal),
  ])
  return { pipe, inside, inspect, stderrTail }
}

async function look(
  ends: PipeEnds,
  { session, signal }: { session: PipeSession; signal: AbortSignal },
): Promise<{ pipe: Pipe; inside: InsideFacts }> {
  const pipe = await greetPipe(ends, session, signal)
  const limit = AbortSignal.any([signal, AbortSignal.timeout(GREETING_TIMEOUT_MS)])
  return { pipe, inside: readInside(await pipe.probe({ signal: limit })) }
}

/** The engine's attach stream as the two ends of a pipe. */
export function demuxed(stream: StartedContainer['stream']): {
  ends: PipeEnds
  stderrTail(): Buffer
} {
  const demux = new AttachDemux()
  // The pipe hears of an error from the end it holds; both ends go together.
  pipeline(stream, demux, () => {})
  return { ends: { readable: demux, writable: stream }, stderrTail: () => demux.stderrTail }
}

/** One attach to a supervisor. Throws what `openPipe()` throws. */
export async function greetPipe(
  ends: PipeEnds,
  session: PipeSession,
  signal: AbortSignal,
): Promise<Pipe> {
  return await openPipe(ends, {
    ...session,
    marker: randomBytes(32),
    openTimeoutMs: GREETING_TIMEOUT_MS,
    signal,
    now: () => performance.now(),
  })
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
