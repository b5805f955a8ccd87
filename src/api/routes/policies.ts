import { Hono } from 'hono'
import { LearnRequest, SimulateRequest } from '../../schema/index.ts'
import type { ApiDeps } from '../app.ts'
import type { ApiEnv } from '../env.ts'
import { validate } from '../validate.ts'

/** What past runs say about a policy; read from their record. */
export function policyRoutes({ runtime }: Pick<ApiDeps, 'runtime'>) {
  return new Hono<ApiEnv>()
    .post('/learn', validate('json', LearnRequest), (c) =>
      c.json(runtime.learn(c.req.valid('json'))),
    )
    .post('/simulate', validate('json', SimulateRequest), (c) =>
      c.json(runtime.simulate(c.req.valid('json'))),
    )
}
