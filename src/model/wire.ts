/**
 * One HTTP exchange with a model server, bounded in every direction: silence, bytes in all, bytes of
 * one line, redirects. SDKs get its `fetch`, so that what they swallow or wait for is still seen
 * here: an aborted stream ends quietly in them, and would read as a short but complete answer.
 */
import { type ModelFailure, modelFailure } from './errors.ts'

/** Bytes of one answer. */
const BODY_BYTES_MAX = 32 * 1024 * 1024
/** Bytes of one line: an event of a stream, or a whole answer of an error. */
const LINE_BYTES_MAX = 4 * 1024 * 1024
const LINE_FEED = 0x0a

export interface Wire {
  fetch: typeof fetch
  /** Aborted by the caller, by silence, or by what is too large. */
  signal: AbortSignal
  /** Why the exchange was broken off from this side. */
  fault(): ModelFailure | undefined
  /** Whether the server accepted the request: from then on tokens may be charged. */
  accepted(): boolean
  close(): void
}

export interface WireOptions {
  fetch: typeof fetch
  /** `ms` without a single byte. */
  idleMs: number
  signal: AbortSignal
}

export function openWire({ fetch: send, idleMs, signal }: WireOptions): Wire {
  const own = new AbortController()
  const both = AbortSignal.any([signal, own.signal])
  let fault: ModelFailure | undefined
  let accepted = false
  const breakOff = (failure: ModelFailure): never => {
    fault ??= failure
    own.abort(new Error(failure.message))
    throw new Error(failure.message)
  }
  const onSilence = () => {
    fault ??= modelFailure('timed_out', `Nothing came from the model for ${idleMs} ms`)
    own.abort(new Error(fault.message))
  }
  let timer = setTimeout(onSilence, idleMs)
  const heard = () => {
    clearTimeout(timer)
    timer = setTimeout(onSilence, idleMs)
  }
  return {
    signal: both,
    fault: () => fault,
    accepted: () => accepted,
    close() {
      clearTimeout(timer)
      own.abort(new Error('The exchange is over'))
    },
    async fetch(input, init) {
      // A redirect would carry the key and the prompt to whoever is named in it.
      const answer = await send(input, { ...init, redirect: 'error', signal: both })
      heard()
      accepted = answer.ok
      if (answer.body === null) return answer
      const body = answer.body.pipeThrough(limited({ heard, breakOff }))
      const { status, statusText, headers } = answer
      return new Response(body, { status, statusText, headers: readable(headers) })
    },
  }
}

/** The body has been decoded already, and has another length than was announced. */
function readable(headers: Headers): Headers {
  const kept = new Headers(headers)
  kept.delete('content-encoding')
  kept.delete('content-length')
  return kept
}

interface Limits {
  heard(): void
  breakOff(failure: ModelFailure): never
}

function limited({ heard, breakOff }: Limits): TransformStream<Uint8Array, Uint8Array> {
  let total = 0
  let line = 0
  return new TransformStream({
    transform(chunk, controller) {
      heard()
      total += chunk.length
      const last = chunk.lastIndexOf(LINE_FEED)
      line = last === -1 ? line + chunk.length : chunk.length - last - 1
      if (total > BODY_BYTES_MAX)
        breakOff(
          modelFailure('invalid_response', `The answer has more than ${BODY_BYTES_MAX} bytes`),
        )
      if (line > LINE_BYTES_MAX || chunk.length > LINE_BYTES_MAX)
        breakOff(
          modelFailure(
            'invalid_response',
            `A line of the answer has more than ${LINE_BYTES_MAX} bytes`,
          ),
        )
      controller.enqueue(chunk)
    },
  })
}
