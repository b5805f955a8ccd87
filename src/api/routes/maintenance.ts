import { Hono } from 'hono'
import { z } from 'zod'
import type { Runtime, Tokens } from '../../runtime/index.ts'
import type { ApiEnv } from '../env.ts'
import { validate } from '../validate.ts'

export const Gc = z.strictObject({
  olderThanMs: z.number().int().nonnegative(),
  /** Newest ended runs of each tenant that age alone does not remove. */
  keep: z.number().int().nonnegative(),
  /** Ended runs of each tenant at most, and their bytes, whatever their age. */
  maxRuns: z.number().int().nonnegative().optional(),
  maxBytes: z.number().int().nonnegative().optional(),
})
/** Absolute path of a file that is not there yet, on the machine of the state. */
export const Backup = z.strictObject({ file: z.string().min(1).max(4096) })
export const AuditQuery = z.object({
  after: z.coerce.number().int().nonnegative().default(0),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
})

interface Deps {
  runtime: Runtime
  tokens: Tokens
  backup(file: string): Promise<{ bytes: number }>
}

/** Clean-up after crashes and of old runs, copies of the state, and who did what. */
export function maintenanceRoutes({ runtime, tokens, backup }: Deps) {
  return new Hono<ApiEnv>()
    .post('/recover', async (c) => {
      tokens.record(c.env.caller, { action: 'recover', subject: undefined, details: {} })
      return c.json(await runtime.recover({ signal: c.req.raw.signal }))
    })
    .post('/gc', validate('json', Gc), async (c) => {
      const request = c.req.valid('json')
      const { maxRuns, maxBytes } = request
      const { signal } = c.req.raw
      const report = await runtime.gc({ ...request, maxRuns, maxBytes, signal })
      const limits = {
        ...(maxRuns !== undefined && { maxRuns }),
        ...(maxBytes !== undefined && { maxBytes }),
      }
      const { olderThanMs, keep } = request
      const details = { olderThanMs, keep, ...limits, runs: report.runs.length }
      tokens.record(c.env.caller, { action: 'gc', subject: undefined, details })
      return c.json(report)
    })
    .post('/backup', validate('json', Backup), async (c) => {
      const { file } = c.req.valid('json')
      const report = await backup(file)
      tokens.record(c.env.caller, { action: 'backup', subject: file, details: report })
      return c.json({ file, ...report })
    })
    .get('/audit', validate('query', AuditQuery), (c) =>
      c.json({ entries: tokens.audit(c.env.caller, c.req.valid('query')) }),
    )
}
