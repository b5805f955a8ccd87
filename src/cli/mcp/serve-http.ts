/**
 * The protocol over HTTP, on this machine only. Whoever holds the token may run things, so it is
 * asked for although nobody else can connect: a page in a browser can. Requests of pages (`Origin`)
 * and for other names (`Host`) are refused before anything is read.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { serve } from '@hono/node-server'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { createMcpServer } from './server.ts'
import type { McpDeps } from './mcp-tool.ts'

const BODY_BYTES_MAX = 4 * 1024 * 1024
const HOSTNAME = '127.0.0.1'

interface HttpOptions {
  /** 0 takes any that is free. */
  port: number
  token: string
  onBug(error: unknown): void
  /** Told once connections are taken. */
  onListening(url: string): void
}

/** Serves until the signal of `deps` aborts. Rejects when the port is taken. */
export async function serveHttp(deps: McpDeps, options: HttpOptions): Promise<void> {
  const app = new Hono()
  app.all(
    '/mcp',
    async (c, next) => {
      const refused = refusal(c.req.raw.headers, options.token)
      if (refused !== undefined) return c.json({ message: refused }, 403)
      return await next()
    },
    bodyLimit({ maxSize: BODY_BYTES_MAX }),
    async (c) => {
      // Without sessions each request stands alone, so nothing is kept for clients that never return.
      const transport = new WebStandardStreamableHTTPServerTransport({ enableJsonResponse: true })
      const server = createMcpServer(
        { ...deps, signal: AbortSignal.any([deps.signal, c.req.raw.signal]) },
        options.onBug,
      )
      await server.connect(transport)
      try {
        return await transport.handleRequest(c.req.raw)
      } finally {
        await server.close()
      }
    },
  )
  await new Promise<void>((resolve, reject) => {
    const listening = serve({ fetch: app.fetch, hostname: HOSTNAME, port: options.port }, (info) =>
      options.onListening(`http://${HOSTNAME}:${info.port}/mcp`),
    )
    listening.on('error', reject)
    const close = () => {
      listening.close(() => resolve())
      if ('closeAllConnections' in listening) listening.closeAllConnections()
    }
    if (deps.signal.aborted) close()
    deps.signal.addEventListener('abort', close, { once: true })
  })
}

function refusal(headers: Headers, token: string): string | undefined {
  if (headers.get('origin') !== null) return 'Cannot answer a page of a browser'
  if (!/^(?:127\.0\.0\.1|localhost)(?::\d{1,5})?$/.test(headers.get('host') ?? ''))
    return 'Cannot answer for this host'
  const [scheme, given = ''] = (headers.get('authorization') ?? '').split(' ')
  const isSame = timingSafeEqual(digestOf(given), digestOf(token))
  return scheme === 'Bearer' && isSame ? undefined : 'Cannot answer without the bearer token'
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
