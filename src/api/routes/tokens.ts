import { Hono } from 'hono'
import { z } from 'zod'
import type { Tokens } from '../../runtime/index.ts'
import { CreateToken } from '../../schema/index.ts'
import type { ApiEnv } from '../env.ts'
import { validate } from '../validate.ts'

const ById = validate('param', z.object({ id: z.string().min(1).max(64) }))

/** Who may speak to the server. The token itself is in the answer to its creation and nowhere else. */
export function tokenRoutes({ tokens }: { tokens: Tokens }) {
  return new Hono<ApiEnv>()
    .post('/', validate('json', CreateToken), (c) => {
      const { token, record } = tokens.create(c.req.valid('json'), c.env.caller)
      return c.json({ token, ...record }, 201)
    })
    .get('/', (c) => c.json({ tokens: tokens.list(c.env.caller) }))
    .delete('/:id', ById, (c) => c.json(tokens.revoke(c.req.valid('param').id, c.env.caller)))
}
