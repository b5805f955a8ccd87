import { Readable } from 'node:stream'
import { Hono } from 'hono'
import { z } from 'zod'
import type { Runtime } from '../../runtime/index.ts'
import type { ApiEnv } from '../env.ts'
import { validate } from '../validate.ts'

const ById = validate('param', z.object({ id: z.string().min(1).max(64) }))
/** Commits the caller has, by their ids. */
export const PackQuery = z.object({
  known: z
    .string()
    .max(8192)
    .regex(/^[0-9a-f]{40,64}(?:,[0-9a-f]{40,64})*$/, 'Expected ids of commits with commas between'),
})

/** What a run made, for a checkout elsewhere. */
export function packRoutes({ runtime }: { runtime: Runtime }) {
  return new Hono<ApiEnv>().get('/:id/pack', ById, validate('query', PackQuery), async (c) => {
    const run = runtime.find(c.req.valid('param').id)
    const known = c.req.valid('query').known.split(',')
    const { signal } = c.req.raw
    const pack = await runtime.pack(run.id, { known, signal })
    return c.body(packBody(pack), 200, {
      'content-type': 'application/octet-stream',
      'x-openexec-commit': pack.commit,
      'x-openexec-trees': `${pack.from},${pack.to}`,
    })
  })
}

/** Ends with an error, and not early, when the pack is not whole. */
function packBody({
  bytes,
  done,
  kill,
}: Awaited<ReturnType<Runtime['pack']>>): ReadableStream<Uint8Array> {
  async function* whole(): AsyncGenerator<Uint8Array> {
    try {
      // Without an encoding a stream yields buffers only.
      for await (const chunk of bytes) yield chunk as Buffer
      await done
    } finally {
      kill()
    }
  }
  // Node types its own web streams apart from the global ones, which they are.
  return Readable.toWeb(Readable.from(whole())) as ReadableStream<Uint8Array>
}
