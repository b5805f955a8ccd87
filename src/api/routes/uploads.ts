import { Hono } from 'hono'
import { z } from 'zod'
import { OfferUpload } from '../../schema/index.ts'
import type { ApiDeps } from '../app.ts'
import type { ApiEnv } from '../env.ts'
import { validate } from '../validate.ts'

const ById = validate('param', z.object({ upload: z.string().min(1).max(64) }))
export const PartQuery = z.object({ offset: z.coerce.number().int().nonnegative() })

/** Commits that a client has and this machine lacks. */
export function uploadRoutes({ uploads }: Pick<ApiDeps, 'uploads'>) {
  return new Hono<ApiEnv>()
    .post('/', validate('json', OfferUpload), (c) =>
      c.json(uploads.offer(c.env.caller.tenant, c.req.valid('json')), 201),
    )
    .put('/:upload', ById, validate('query', PartQuery), async (c) => {
      const { upload } = c.req.valid('param')
      const bytes = new Uint8Array(await c.req.arrayBuffer())
      const part = { offset: c.req.valid('query').offset, bytes }
      return c.json(await uploads.write(c.env.caller.tenant, upload, part))
    })
    .post('/:upload/finish', ById, async (c) => {
      const { upload } = c.req.valid('param')
      return c.json(await uploads.finish(c.env.caller.tenant, upload, c.req.raw.signal))
    })
}
