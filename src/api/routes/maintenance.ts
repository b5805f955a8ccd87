import { Hono } from 'hono'
import { z } from 'zod'
import type { Runtime } from '../../runtime/index.ts'
import { validate } from '../validate.ts'

const Gc = z.strictObject({
  olderThanMs: z.number().int().nonnegative(),
  keep: z.number().int().nonnegative(),
})

/** Clean-up after crashes and of old runs. */
export function maintenanceRoutes({ runtime }: { runtime: Runtime }) {
  return new Hono()
    .post('/recover', async (c) => c.json(await runtime.recover({ signal: c.req.raw.signal })))
    .post('/gc', validate('json', Gc), async (c) =>
      c.json(await runtime.gc({ ...c.req.valid('json'), signal: c.req.raw.signal })),
    )
}
