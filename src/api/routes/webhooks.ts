import { Hono } from 'hono'
import { z } from 'zod'
import type { Webhooks } from '../../runtime/index.ts'
import { CreateWebhook } from '../../schema/index.ts'
import type { ApiEnv } from '../env.ts'
import { validate } from '../validate.ts'

const id = z.string().min(1).max(64)
const ById = validate('param', z.object({ id }))
const ByDelivery = validate('param', z.object({ id, delivery: id }))
export const DeliveriesQuery = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(50),
  /** Id of the last delivery of the page before. */
  before: id.optional(),
})

/** Who outside is told of what happens, and what became of each telling. */
export function webhookRoutes({ webhooks }: { webhooks: Webhooks }) {
  return new Hono<ApiEnv>()
    .post('/', validate('json', CreateWebhook), (c) =>
      c.json(webhooks.create(c.req.valid('json'), c.env.caller), 201),
    )
    .get('/', (c) => c.json({ webhooks: webhooks.list(c.env.caller) }))
    .get('/:id', ById, (c) => c.json(webhooks.get(c.req.valid('param').id, c.env.caller)))
    .delete('/:id', ById, (c) => c.json(webhooks.remove(c.req.valid('param').id, c.env.caller)))
    .post('/:id/enable', ById, (c) =>
      c.json(webhooks.enable(c.req.valid('param').id, c.env.caller)),
    )
    .post('/:id/test', ById, (c) =>
      c.json(webhooks.test(c.req.valid('param').id, c.env.caller), 202),
    )
    .get('/:id/deliveries', ById, validate('query', DeliveriesQuery), (c) => {
      const { limit, before } = c.req.valid('query')
      const page = { limit, before }
      const deliveries = webhooks.deliveries(c.req.valid('param').id, c.env.caller, page)
      const next = deliveries.length < limit ? undefined : deliveries.at(-1)?.id
      return c.json({ deliveries, ...(next !== undefined && { next }) })
    })
    .post('/:id/deliveries/:delivery/redeliver', ByDelivery, (c) => {
      const { id: hook, delivery } = c.req.valid('param')
      return c.json(webhooks.redeliver(hook, delivery, c.env.caller), 202)
    })
}
