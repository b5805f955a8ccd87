import { Hono } from 'hono'
import { z } from 'zod'
import type { Runtime } from '../../runtime/index.ts'
import { OpenExecError } from '../../schema/index.ts'
import type { ApiEnv } from '../env.ts'
import { ndjsonResponse, sseResponse } from '../stream/sse.ts'
import { allFrames, runFrames } from '../stream/wire.ts'
import { validate } from '../validate.ts'

const cursor = z.coerce.number().int().nonnegative()
export const StreamQuery = z.object({
  /** `seq` of the last event seen. */
  after: cursor.default(0),
  live: z.enum(['true', 'false']).default('true'),
  output: z.enum(['true', 'false']).default('true'),
  /** Output as binary messages; over a WebSocket alone. */
  binary: z.enum(['true', 'false']).optional(),
})
export const StreamAllQuery = z.object({
  /** `position` of the last event seen. */
  after: cursor.default(0),
})
const ById = validate('param', z.object({ id: z.string().min(1).max(64) }))

/** Events and output as they come, over HTTP: lines of JSON, or server-sent events by Accept. */
export function streamRoutes({ runtime }: { runtime: Runtime }) {
  return new Hono<ApiEnv>()
    .get('/runs/:id/stream', ById, validate('query', StreamQuery), (c) => {
      const run = runtime.find(c.req.valid('param').id)
      const { after, live, output, binary } = c.req.valid('query')
      if (binary === 'true')
        throw new OpenExecError('bad_request', 'Cannot send bytes here: expected a WebSocket', {
          details: { field: 'binary' },
        })
      const stop = stopOf(c.req.raw)
      const frames = runFrames(runtime, run.id, {
        after: lastIdOf(c.req.raw) ?? after,
        live: live === 'true',
        output: output === 'true',
        binary: false,
        signal: stop.signal,
      })
      const respond = wantsEvents(c.req.raw) ? sseResponse : ndjsonResponse
      return respond(frames, () => stop.abort())
    })
    .get('/stream', validate('query', StreamAllQuery), (c) => {
      const stop = stopOf(c.req.raw)
      const after = lastIdOf(c.req.raw) ?? c.req.valid('query').after
      const frames = allFrames(runtime, { after, signal: stop.signal })
      return sseResponse(frames, () => stop.abort())
    })
}

function stopOf(request: Request): AbortController {
  const stop = new AbortController()
  if (request.signal.aborted) stop.abort()
  request.signal.addEventListener('abort', () => stop.abort(), { once: true })
  return stop
}

function wantsEvents(request: Request): boolean {
  return request.headers.get('accept')?.includes('text/event-stream') === true
}

/** A browser that was cut off asks for the same address again, and says here where it was. */
function lastIdOf(request: Request): number | undefined {
  const id = request.headers.get('last-event-id')
  return id !== null && /^\d{1,15}$/.test(id) ? Number(id) : undefined
}
