/** The server itself: sockets, limits in time and number, and an orderly end. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { OpenExecError } from '../schema/index.ts'
import { createServiceApp, type ServiceAppDeps } from './service-app.ts'
import { handleUpgrades, type UpgradeDeps } from './upgrade.ts'

export interface ListenOptions {
  host: string
  /** 0 for any that is free. */
  port: number
  limits: ServerLimits
}

export interface ServerLimits {
  /** How long headers may take, in `ms`. */
  headersMs: number
  /** How long a whole request may take to arrive, in `ms`. */
  requestMs: number
  /** How often both are looked at, in `ms`. */
  checkMs: number
  connections: number
}

export const SERVER_LIMITS: ServerLimits = {
  headersMs: 10_000,
  requestMs: 60_000,
  checkMs: 2_000,
  connections: 4_096,
}

export interface ApiServer {
  /** `http://host:port` */
  url: string
  /** Streams that are open over WebSockets. */
  streams(): number
  /** Tells readers that it ends, takes no more connections, and lets go of those that are left. */
  close(): Promise<void>
}

const HEADER_BYTES_MAX = 16 * 1024
/** How long answers that are being sent may take after the end was told, in `ms`. */
const LINGER_MS = 1_000

/** Throws `conflict` when the port is taken, `bad_request` when there is no such address. */
export async function listen(
  deps: ServiceAppDeps & UpgradeDeps,
  { host, port, limits }: ListenOptions,
): Promise<ApiServer> {
  const app = createServiceApp(deps)
  // The adaptor may make other servers too; with `createServer` of node:http it is this one.
  const server = createAdaptorServer({
    fetch: app.fetch,
    createServer,
    serverOptions: {
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      connectionsCheckingInterval: limits.checkMs,
      keepAliveTimeout: 5_000,
      maxHeaderSize: HEADER_BYTES_MAX,
    },
  }) as Server
  server.maxConnections = limits.connections
  const upgrades = handleUpgrades(server, deps)
  await bound(server, host, port)
  // A TCP server has an address with a port.
  const { port: actual } = server.address() as AddressInfo
  const name = host.includes(':') ? `[${host}]` : host
  return {
    url: `http://${name}:${actual}`,
    streams: () => upgrades.open,
    async close() {
      upgrades.end()
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeIdleConnections()
      const timer = setTimeout(() => {
        server.closeAllConnections()
        upgrades.cut()
      }, LINGER_MS)
      await closed
      clearTimeout(timer)
    },
  }
}

async function bound(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: Error & { code?: string }) => {
      const taken = cause.code === 'EADDRINUSE'
      reject(
        new OpenExecError(
          taken ? 'conflict' : 'bad_request',
          `Cannot listen on ${host}:${port}: ${taken ? 'something else does' : (cause.code ?? cause.message)}`,
          { hint: 'Name another address with --listen HOST:PORT', cause },
        ),
      )
    })
    server.listen(port, host, () => resolve())
  })
}
