/**
 * WebSockets of a server. An upgrade goes through the same gate as every request, before anything is
 * accepted; what is refused is refused over HTTP, with the same error body.
 */
import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import type { Caller, Runtime, Tokens } from '../runtime/index.ts'
import { ERROR_TABLE, OpenExecError, type Tenant } from '../schema/index.ts'
import { answerOf, notFound } from './app.ts'
import { authenticate, authorize, checkPlace, requestIdOf } from './gate.ts'
import type { KnownHosts } from './hosts.ts'
import type { Rates } from './rates.ts'
import { remoteAddress } from './remote-address.ts'
import { StreamAllQuery, StreamQuery } from './routes/streams.ts'
import { CLOSE, pump, type SocketTimes } from './stream/sockets.ts'
import type { Tickets } from './stream/tickets.ts'
import { allFrames, runFrames, type SentFrame } from './stream/wire.ts'

export interface UpgradeDeps {
  tokens: Tokens
  tickets: Tickets
  known: KnownHosts
  rates: Rates
  proxies: readonly string[]
  runtimeOf(tenant: Tenant): Runtime
  times: SocketTimes
  /** Streams at once, of all tenants. */
  streamsMax: number
  onBug(error: unknown, requestId: string | undefined): void
}

export interface Upgrades {
  readonly open: number
  /** Tells every reader that the server is ending. */
  end(): void
  /** Lets go of readers that did not take leave. */
  cut(): void
}

const MESSAGE_BYTES_MAX = 64 * 1024
const PATH = /^\/v1\/(?:runs\/([^/]{1,64})\/stream|stream)$/

interface Opening {
  caller: Caller
  isAllowed(): boolean
  frames(signal: AbortSignal): AsyncGenerator<SentFrame>
}

export function handleUpgrades(server: Server, deps: UpgradeDeps): Upgrades {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MESSAGE_BYTES_MAX,
    // Packed frames cost memory for each reader.
    perMessageDeflate: false,
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    const header = headerOf(request)
    const requestId = requestIdOf(header)
    try {
      if (sockets.clients.size >= deps.streamsMax)
        throw new OpenExecError('too_busy', 'Cannot open a stream: too many are open', {
          details: { retry_after: 5 },
        })
      const { caller, ...opening } = open(deps, request, requestId)
      const release = deps.rates.hold('streams', caller.tenant)
      // Whatever becomes of the upgrade, the connection ends once.
      socket.once('close', release)
      sockets.handleUpgrade(request, socket, head, (ws) => {
        const onBug = (error: unknown) => deps.onBug(error, caller.requestId)
        void pump(ws, { ...opening, times: deps.times, onBug })
      })
    } catch (error) {
      refuse(socket, error, requestId)
    }
  })
  return {
    get open() {
      return sockets.clients.size
    },
    end: () => {
      for (const client of sockets.clients) client.close(CLOSE.ending, 'The server is ending')
      sockets.close()
    },
    cut: () => {
      for (const client of sockets.clients) client.terminate()
    },
  }
}

function open(deps: UpgradeDeps, request: IncomingMessage, requestId: string): Opening {
  const header = headerOf(request)
  checkPlace(deps.known, header)
  const url = new URL(request.url ?? '/', 'http://server.internal')
  const match = PATH.exec(url.pathname)
  const run = match?.[1]
  const ticket = url.searchParams.get('ticket')
  const from = () =>
    remoteAddress(request.socket.remoteAddress, {
      forwarded: header('x-forwarded-for'),
      proxies: deps.proxies,
    })
  const caller = callerOf(deps, { header, ticket, run, requestId, from })
  deps.rates.spend(caller)
  if (match === null || request.method !== 'GET') throw notFound('GET', url.pathname.slice(0, 200))
  authorize({ scope: 'runs:read' }, caller)
  const runtime = deps.runtimeOf(caller.tenant)
  const isAllowed = () => ticket !== null || isStillValid(deps.tokens, header)
  const query = Object.fromEntries(url.searchParams)
  if (run === undefined) {
    const { after } = parseQuery(StreamAllQuery, query)
    return { caller, isAllowed, frames: (signal) => allFrames(runtime, { after, signal }) }
  }
  const { after, live, output, binary } = parseQuery(StreamQuery, query)
  const wanted = {
    after,
    live: live === 'true',
    output: output === 'true',
    binary: binary === 'true',
  }
  const { id } = runtime.find(decodeURIComponent(run))
  return { caller, isAllowed, frames: (signal) => runFrames(runtime, id, { ...wanted, signal }) }
}

function callerOf(
  { tokens, tickets, rates }: UpgradeDeps,
  given: {
    header: ReturnType<typeof headerOf>
    ticket: string | null
    run: string | undefined
    requestId: string
    /** Where the request came from. */
    from(): string
  },
): Caller {
  const { header, ticket, run, requestId, from } = given
  try {
    if (ticket === null) return authenticate(tokens, header, requestId)
    const caller = tickets.redeem(ticket, run)
    if (caller !== undefined) return { ...caller, requestId }
    throw new OpenExecError('unauthenticated', 'Cannot answer: the ticket is not valid', {
      hint: 'A ticket opens one stream, within 30 seconds, of the run it was made for',
    })
  } catch (error) {
    throw rates.failed(from(), error)
  }
}

function isStillValid(tokens: Tokens, header: ReturnType<typeof headerOf>): boolean {
  try {
    authenticate(tokens, header, '')
    return true
  } catch {
    return false
  }
}

function parseQuery<Output>(
  schema: { safeParse(value: unknown): { success: boolean; data?: Output } },
  query: unknown,
): Output {
  const parsed = schema.safeParse(query)
  if (parsed.data !== undefined) return parsed.data
  throw new OpenExecError('bad_request', 'Cannot read the query: expected ?after=<whole number>', {
    details: { field: 'after' },
  })
}

/** A header that comes twice is not believed. */
function headerOf(request: IncomingMessage): (name: string) => string | undefined {
  return (name) => {
    const value = request.headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }
}

function refuse(socket: Duplex, error: unknown, requestId: string): void {
  const answer = answerOf(error, requestId)
  const body = JSON.stringify(answer)
  const lines = [
    `HTTP/1.1 ${ERROR_TABLE[answer.error.code].status} Refused`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${requestId}`,
    'Connection: close',
    ...retryAfterOf(answer.error.details?.['retry_after']),
  ]
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`)
}

function retryAfterOf(seconds: unknown): string[] {
  return typeof seconds === 'number' ? [`Retry-After: ${seconds}`] : []
}
