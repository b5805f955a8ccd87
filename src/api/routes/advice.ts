import { Hono } from 'hono'
import type { Advisor, Runtime } from '../../runtime/index.ts'
import {
  AskRequest,
  ContextRequest,
  type Run,
  RecallRequest,
  RouteRequest,
} from '../../schema/index.ts'
import { validate } from '../validate.ts'

interface AdviceDeps {
  advisor: Advisor
  runtime: Runtime
  launch(run: Run): void
}

/** What can be asked about a repository or a request in words, and a request that may become a run. */
export function adviceRoutes({ advisor, runtime, launch }: AdviceDeps) {
  return new Hono()
    .post('/context', validate('json', ContextRequest), async (c) =>
      c.json(await advisor.contextPack(c.req.valid('json'), { signal: c.req.raw.signal })),
    )
    .post('/context/recall', validate('json', RecallRequest), async (c) =>
      c.json(await advisor.recall(c.req.valid('json'), { signal: c.req.raw.signal })),
    )
    .post('/ask', validate('json', AskRequest), async (c) => {
      const request = c.req.valid('json')
      const options = { signal: c.req.raw.signal }
      const asked = await runtime.ask(request, await advisor.route(request.route, options), options)
      if (asked.run !== undefined) launch(asked.run)
      return c.json(asked, 201)
    })
    .post('/route', validate('json', RouteRequest), async (c) =>
      c.json(await advisor.route(c.req.valid('json'), { signal: c.req.raw.signal })),
    )
}
