import { Hono } from 'hono'
import type { Advisor } from '../../runtime/index.ts'
import { ContextRequest, RecallRequest, RouteRequest } from '../../schema/index.ts'
import { validate } from '../validate.ts'

/** What can be asked about a repository or a request in words; nothing comes of it. */
export function adviceRoutes({ advisor }: { advisor: Advisor }) {
  return new Hono()
    .post('/context', validate('json', ContextRequest), async (c) =>
      c.json(await advisor.contextPack(c.req.valid('json'), { signal: c.req.raw.signal })),
    )
    .post('/context/recall', validate('json', RecallRequest), async (c) =>
      c.json(await advisor.recall(c.req.valid('json'), { signal: c.req.raw.signal })),
    )
    .post('/route', validate('json', RouteRequest), async (c) =>
      c.json(await advisor.route(c.req.valid('json'), { signal: c.req.raw.signal })),
    )
}
