import { Hono } from 'hono'
import { z } from 'zod'
import type { Runtime } from '../../runtime/index.ts'
import type { ApiEnv } from '../env.ts'
import { validate } from '../validate.ts'

const ById = validate('param', z.object({ id: z.string().min(1).max(64) }))
const ByArtifact = validate(
  'param',
  z.object({ id: z.string().min(1).max(64), artifact: z.string().min(1).max(200) }),
)
export const DiffQuery = z.object({
  format: z.enum(['summary', 'patch', 'stat', 'name-only']).default('patch'),
})

export const Branch = z.strictObject({ name: z.string().min(1).max(200).optional() })
export const FileQuery = z.object({ path: z.string().min(1).max(4096) })

/** What a run left: result, stages, artifacts, changes. */
export function resultRoutes({ runtime }: { runtime: Runtime }) {
  return new Hono<ApiEnv>()
    .get('/:id/result', ById, async (c) =>
      c.json(await runtime.result(runtime.find(c.req.valid('param').id).id)),
    )
    .get('/:id/steps', ById, (c) =>
      c.json({ steps: runtime.steps(runtime.find(c.req.valid('param').id).id) }),
    )
    .get('/:id/artifacts', ById, (c) =>
      c.json({ artifacts: runtime.artifacts(runtime.find(c.req.valid('param').id).id) }),
    )
    .get('/:id/artifacts/:artifact', ByArtifact, async (c) => {
      const { id, artifact: name } = c.req.valid('param')
      const { artifact, content } = await runtime.readArtifact(runtime.find(id).id, name)
      return c.body(new Uint8Array(content), 200, {
        'content-type': 'application/octet-stream',
        'content-disposition': 'attachment',
        'x-content-type-options': 'nosniff',
        'x-openexec-sha256': artifact.sha256,
      })
    })
    .get('/:id/diff', ById, validate('query', DiffQuery), async (c) => {
      const run = runtime.find(c.req.valid('param').id)
      const { stat, text } = await runtime.diff(run.id, c.req.valid('query').format)
      return c.body(new Uint8Array(text), 200, {
        'content-type': 'application/octet-stream',
        'x-content-type-options': 'nosniff',
        'x-openexec-diff': JSON.stringify(stat),
      })
    })
    .get('/:id/file', ById, validate('query', FileQuery), async (c) => {
      const run = runtime.find(c.req.valid('param').id)
      const content = await runtime.readFile(run.id, c.req.valid('query').path)
      return c.body(new Uint8Array(content), 200, {
        'content-type': 'application/octet-stream',
        'x-content-type-options': 'nosniff',
      })
    })
    .get('/:id/audit', ById, async (c) =>
      c.json(await runtime.audit(runtime.find(c.req.valid('param').id).id)),
    )
    .get('/:id/replay', ById, async (c) =>
      c.json(await runtime.replay(runtime.find(c.req.valid('param').id).id)),
    )
    .post('/:id/apply', ById, async (c) => {
      const run = runtime.find(c.req.valid('param').id)
      return c.json(await runtime.apply(run.id, { signal: c.req.raw.signal }))
    })
    .post('/:id/merge', ById, async (c) => {
      const run = runtime.find(c.req.valid('param').id)
      return c.json(await runtime.merge(run.id, { signal: c.req.raw.signal }))
    })
    .post('/:id/branch', ById, validate('json', Branch), async (c) => {
      const run = runtime.find(c.req.valid('param').id)
      const { name } = c.req.valid('json')
      return c.json(await runtime.branch(run.id, { name, signal: c.req.raw.signal }), 201)
    })
}
