import { Hono } from 'hono'
import { stream } from 'hono/streaming'
import { z } from 'zod'
import type { Runtime } from '../../runtime/index.ts'
import { type Run, RunRequest, RunStatus, TaskId } from '../../schema/index.ts'
import { encodeFrame } from '../frames.ts'
import { validate } from '../validate.ts'

const ListQuery = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(50),
  status: RunStatus.optional(),
})
const EventsQuery = z.object({
  after: z.coerce.number().int().nonnegative().default(0),
  limit: z.coerce.number().int().min(1).max(5000).default(1000),
})
const StreamQuery = z.object({
  after: z.coerce.number().int().nonnegative().default(0),
  live: z.enum(['true', 'false']).default('true'),
  output: z.enum(['true', 'false']).default('true'),
})
const Decision = z.strictObject({
  approval: z.string().optional(),
  approve: z.boolean(),
  reason: z.string().max(1000).optional(),
})
const Fork = z.strictObject({
  count: z.number().int().min(1).max(64).default(1),
  at: z.string().min(1).max(200).optional(),
  task: z.string().optional(),
  command: z.array(z.string()).min(1).optional(),
})
/** A whole id or a unique prefix of one. */
const ById = validate('param', z.object({ id: z.string().min(1).max(64) }))

export function runRoutes({ runtime, launch }: { runtime: Runtime; launch(run: Run): void }) {
  return new Hono()
    .post('/', validate('json', RunRequest.omit({ fork: true })), async (c) => {
      const run = await runtime.submit(c.req.valid('json'), { signal: c.req.raw.signal })
      launch(run)
      return c.json(run, 201)
    })
    .post('/of-task/:task', validate('param', z.object({ task: TaskId })), async (c) => {
      const id = await runtime.runTask(c.req.valid('param').task, { signal: c.req.raw.signal })
      launch(runtime.get(id))
      return c.json(runtime.get(id), 201)
    })
    .get('/', validate('query', ListQuery), (c) => {
      const { limit, status } = c.req.valid('query')
      return c.json({ runs: runtime.list({ limit, status }) })
    })
    .get('/:id', ById, (c) => c.json(runtime.find(c.req.valid('param').id)))
    .get('/:id/events', ById, validate('query', EventsQuery), (c) => {
      const run = runtime.find(c.req.valid('param').id)
      return c.json({ events: runtime.events(run.id, c.req.valid('query')) })
    })
    .get('/:id/stream', ById, validate('query', StreamQuery), (c) => {
      const run = runtime.find(c.req.valid('param').id)
      const { after, live, output } = c.req.valid('query')
      const stop = new AbortController()
      c.header('content-type', 'application/x-ndjson')
      return stream(c, async (out) => {
        out.onAbort(() => stop.abort())
        const wish = { after, live: live === 'true', output: output === 'true' }
        for await (const frame of runtime.stream(run.id, { ...wish, signal: stop.signal }))
          await out.write(encodeFrame(frame))
      })
    })
    .post('/:id/cancel', ById, async (c) => {
      const run = runtime.find(c.req.valid('param').id)
      return c.json(await runtime.cancel(run.id))
    })
    .post('/:id/resume', ById, (c) => {
      const run = runtime.resumable(runtime.find(c.req.valid('param').id).id)
      const after = runtime.lastSeq(run.id)
      launch(run)
      return c.json({ run, after }, 202)
    })
    .post('/:id/fork', ById, validate('json', Fork), async (c) => {
      const { id } = runtime.find(c.req.valid('param').id)
      const { count, at, task, command } = c.req.valid('json')
      const { signal } = c.req.raw
      const runs = await runtime.fork(id, { count, at, task, command, signal })
      for (const run of runs) launch(run)
      return c.json({ runs }, 201)
    })
    .post('/:id/decide', ById, validate('json', Decision), async (c) => {
      const run = runtime.find(c.req.valid('param').id)
      const { approval, approve, reason } = c.req.valid('json')
      await runtime.decide(run.id, { approval, approve, reason })
      return c.json(runtime.get(run.id))
    })
}
