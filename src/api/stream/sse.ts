import type { SentFrame } from './wire.ts'

/** Between two comments that keep proxies and readers from giving up, in `ms`. */
const BEAT_MS = 15_000

/**
 * Frames as server-sent events, each asked for when the one before was taken. The id of an event is
 * the cursor, so that a browser goes on by itself where it was cut off.
 */
export function sseResponse(frames: AsyncGenerator<SentFrame>, stop: () => void): Response {
  const encoder = new TextEncoder()
  let pending: Promise<IteratorResult<SentFrame>> | undefined
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        pending ??= frames.next()
        const next = await withBeat(pending)
        if (next === 'beat') return controller.enqueue(encoder.encode(': still here\n\n'))
        pending = undefined
        if (next.done === true) return controller.close()
        const { type, text, cursor } = next.value
        const id = cursor === undefined ? '' : `id: ${cursor}\n`
        controller.enqueue(encoder.encode(`event: ${type}\n${id}data: ${text}\n\n`))
      },
      async cancel() {
        stop()
        await frames.return(undefined)
      },
    },
    { highWaterMark: 1 },
  )
  const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-store' }
  return new Response(body, { headers })
}

/** The frames as lines of JSON. */
export function ndjsonResponse(frames: AsyncGenerator<SentFrame>, stop: () => void): Response {
  const encoder = new TextEncoder()
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await frames.next()
        if (next.done === true) return controller.close()
        controller.enqueue(encoder.encode(`${next.value.text}\n`))
      },
      async cancel() {
        stop()
        await frames.return(undefined)
      },
    },
    { highWaterMark: 1 },
  )
  return new Response(body, { headers: { 'content-type': 'application/x-ndjson' } })
}

async function withBeat<T>(next: Promise<T>): Promise<T | 'beat'> {
  let timer: NodeJS.Timeout | undefined
  const beat = new Promise<'beat'>((resolve) => {
    timer = setTimeout(() => resolve('beat'), BEAT_MS)
  })
  try {
    return await Promise.race([next, beat])
  } finally {
    clearTimeout(timer)
  }
}
