import { Hono } from 'hono'
import { z } from 'zod'
import { checkScheduled } from '../../runtime/index.ts'
import { CreateSchedule } from '../../schema/index.ts'
import type { ApiDeps } from '../app.ts'
import type { ApiEnv } from '../env.ts'
import { validate } from '../validate.ts'

/** An id or a name. */
const ById = validate('param', z.object({ id: z.string().min(1).max(100) }))

type Deps = Pick<ApiDeps, 'schedules' | 'catalog' | 'requestOf' | 'submit'>

/** Runs that begin by the clock. */
export function scheduleRoutes({ schedules, catalog, requestOf, submit }: Deps) {
  return new Hono<ApiEnv>()
    .post('/', validate('json', CreateSchedule), (c) => {
      const request = c.req.valid('json')
      // Whether its maker may ask for it is known now, and asked again at each tick.
      requestOf(request.run, c.env.caller)
      checkScheduled(catalog, request.run)
      return c.json(schedules.create(request, c.env.caller), 201)
    })
    .get('/', (c) => c.json({ schedules: schedules.list(c.env.caller) }))
    .get('/:id', ById, (c) => c.json(schedules.get(c.req.valid('param').id, c.env.caller)))
    .delete('/:id', ById, (c) => c.json(schedules.remove(c.req.valid('param').id, c.env.caller)))
    .post('/:id/pause', ById, (c) => c.json(schedules.pause(c.req.valid('param').id, c.env.caller)))
    .post('/:id/resume', ById, (c) =>
      c.json(schedules.resume(c.req.valid('param').id, c.env.caller)),
    )
    .post('/:id/run', ById, async (c) => {
      const { caller } = c.env
      const { id, request } = schedules.get(c.req.valid('param').id, caller)
      const { priority = 0, ttl } = request
      const place = { priority, ttlMs: ttl, key: undefined, tick: undefined }
      const { signal } = c.req.raw
      const { run } = await submit(requestOf(request, caller), { ...place, signal })
      schedules.noteRun(id, run.id, caller)
      return c.json(run, 201)
    })
}
