import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { stream } from 'hono/streaming'
import { z } from 'zod'
import type { Direct, InteractiveSandbox } from '../../runtime/index.ts'
import { OpenExecError, SandboxWish } from '../../schema/index.ts'
import { validate } from '../validate.ts'

/** A whole id or a unique prefix of one. */
const ById = validate('param', z.object({ id: z.string().min(1).max(64) }))

const ByPath = validate('query', z.object({ path: z.string().startsWith('/').max(4096) }))
/** One file on its way in or out; it is held whole. */
const FILE_BYTES_MAX = 256 * 1024 * 1024
const FILE_MODE = 0o644
const limited = bodyLimit({
  maxSize: FILE_BYTES_MAX,
  onError: () => {
    throw new OpenExecError(
      'bad_request',
      `Cannot take a file of more than ${FILE_BYTES_MAX} bytes`,
    )
  },
})

/** Sandboxes without a run. The bodies of `exec` are frames, see `ExecStart`. */
export function sandboxRoutes({ direct }: { direct: Direct }) {
  return new Hono()
    .post('/', validate('json', SandboxWish), async (c) =>
      c.json(await direct.create(c.req.valid('json'), { signal: c.req.raw.signal }), 201),
    )
    .get('/', async (c) => c.json({ sandboxes: await direct.list({ signal: c.req.raw.signal }) }))
    .post('/:id/stop', ById, async (c) =>
      c.json({ id: await direct.stop(c.req.valid('param').id, { signal: c.req.raw.signal }) }),
    )
    .delete('/:id', ById, async (c) =>
      c.json({ id: await direct.remove(c.req.valid('param').id, { signal: c.req.raw.signal }) }),
    )
    .get('/:id/file', ById, ByPath, async (c) => {
      const { id, path } = { ...c.req.valid('param'), ...c.req.valid('query') }
      const read = (sandbox: InteractiveSandbox) =>
        sandbox.readFile(path, { maxBytes: FILE_BYTES_MAX })
      const bytes = await direct.use(id, read, { signal: c.req.raw.signal })
      return c.body(new Uint8Array(bytes), 200, { 'content-type': 'application/octet-stream' })
    })
    .put('/:id/file', ById, ByPath, limited, async (c) => {
      const { id, path } = { ...c.req.valid('param'), ...c.req.valid('query') }
      const content = new Uint8Array(await c.req.arrayBuffer())
      const write = (sandbox: InteractiveSandbox) =>
        sandbox.writeFile(path, content, { mode: FILE_MODE })
      await direct.use(id, write, { signal: c.req.raw.signal })
      return c.json({ bytes: content.length })
    })
    .post('/:id/exec', ById, (c) => {
      const { id } = c.req.valid('param')
      c.header('content-type', 'application/octet-stream')
      return stream(c, async (out) => {
        const gone = new AbortController()
        out.onAbort(() => gone.abort())
        const input = c.req.raw.body ?? new ReadableStream<Uint8Array>()
        await direct.exec(id, input, { write: (frame) => out.write(frame), signal: gone.signal })
      })
    })
}
