import { Hono } from 'hono'
import { z } from 'zod'
import type { Catalog } from '../../runtime/index.ts'
import { Document, SandboxMode } from '../../schema/index.ts'
import type { ApiEnv } from '../env.ts'
import { validate } from '../validate.ts'

export const Explain = z.strictObject({
  document: Document.optional(),
  mode: SandboxMode.optional(),
})

export const DoctorQuery = z.object({ live: z.enum(['true', 'false']).default('false') })

/** What can be asked without a run. */
export function catalogRoutes({ catalog }: { catalog: Catalog }) {
  return new Hono<ApiEnv>()
    .get('/blueprints', (c) => c.json({ blueprints: catalog.blueprints() }))
    .post('/blueprints/check', validate('json', Document), (c) =>
      c.json(catalog.checkBlueprint(c.req.valid('json'))),
    )
    .post('/policies/check', validate('json', Document), (c) =>
      c.json(catalog.checkPolicy(c.req.valid('json'))),
    )
    .post('/policies/explain', validate('json', Explain), (c) => {
      const { document, mode } = c.req.valid('json')
      return c.json(catalog.explainPolicy(document, mode))
    })
    .get('/doctor', validate('query', DoctorQuery), async (c) => {
      const live = c.req.valid('query').live === 'true'
      return c.json(await catalog.doctor({ live, signal: c.req.raw.signal }))
    })
}
