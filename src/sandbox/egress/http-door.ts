/**
 * The HTTP side of the door: absolute-form requests and CONNECT from programs that know they speak
 * to a proxy, and plain requests inside of tunnels whose authority is settled. Node's own parser
 * reads the bytes; what it finds wrong ends the connection. One connection reaches one authority.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { type Authority, readAbsolute, readAuthority } from './authority.ts'
import {
  hostDiffers,
  hostMatches,
  otherAuthority,
  otherProtocol,
  sameAuthority,
} from './same-authority.ts'
import { forwardRequest } from './forward-request.ts'
import type { DoorDeps } from './door.ts'
import { openTunnel, readerFor, unseenRequests } from './open-tunnel.ts'
import { refusalAnswer, refusalBody, statusText } from './refusal-text.ts'
import type { Session } from './session.ts'
import { standIn, standInFor } from './stand-in.ts'
import { dialWayOut, findWayOut, type Refusal, type WayOut, type WayOutDeps } from './way-out.ts'

export interface HttpDoor {
  /** Serves a client that speaks HTTP to a proxy. */
  serve(session: Session): void
  /** Serves requests to one authority, inside of a tunnel. */
  serveInside(session: Session, inside: Inside): void
}

interface Inside {
  way: WayOut
  /** The client's end, or TLS over it. */
  stream: Duplex
  isTls: boolean
}

interface Served {
  session: Session
  /** Settled by the tunnel, or by the first request. */
  way: WayOut | undefined
  /** Requests of one connection are answered one after the other. */
  turn: Promise<void>
  isInside: boolean
  isTls: boolean
}

interface Wish extends Authority {
  target: string
}

export function createHttpDoor(deps: DoorDeps): HttpDoor {
  const served = new WeakMap<Duplex, Served>()
  const server = createServer({
    maxHeaderSize: deps.limits.headBytesMax,
    // Time is limited by the session: these only work for servers that listen.
    headersTimeout: 0,
    requestTimeout: 0,
    keepAliveTimeout: 0,
    insecureHTTPParser: false,
  })
  const door: HttpDoor = {
    serve: (session) => begin({ session, way: undefined, ...fresh() }, session.client),
    serveInside: (session, { way, stream, isTls }) =>
      begin({ session, way, ...fresh(), isInside: true, isTls }, stream),
  }
  const begin = (one: Served, stream: Duplex) => {
    served.set(stream, one)
    one.session.arm(deps.limits.headMs)
    server.emit('connection', stream)
  }
  listen(server, deps, { served, door })
  return door
}

const fresh = () => ({ turn: Promise.resolve(), isInside: false, isTls: false })

function listen(
  server: Server,
  deps: DoorDeps,
  { served, door }: { served: WeakMap<Duplex, Served>; door: HttpDoor },
): void {
  server.on('request', (request, response) => {
    const one = served.get(request.socket)
    if (one === undefined) return void request.socket.destroy()
    one.session.arm(deps.limits.idleMs)
    one.turn = one.turn
      .then(() => answer(deps, one, { request, response }))
      .catch(() => one.session.destroy())
  })
  server.on('connect', (request, client: Duplex) => {
    const one = served.get(client)
    if (one === undefined || one.isInside || one.way !== undefined) return void client.destroy()
    connect(deps, one, { request, door }).catch(() => one.session.destroy())
  })
  server.on('clientError', (error: NodeJS.ErrnoException, client: Duplex) => {
    const tooLong = error.code === 'HPE_HEADER_OVERFLOW'
    if (client.writable && !client.destroyed) client.end(badRequest(tooLong))
    else client.destroy()
  })
}

async function answer(
  deps: DoorDeps,
  one: Served,
  { request, response }: { request: IncomingMessage; response: ServerResponse },
): Promise<void> {
  const { session } = one
  // Programs use one connection to a proxy for many hosts; each of them gets one of its own.
  if (!one.isInside) response.shouldKeepAlive = false
  const wish = one.isInside ? insideWish(one, request) : readWish(request)
  if (wish === undefined) return sayNo(response, 400, BAD_REQUEST)
  if (!hostMatches(request, wish)) return refuse(one, response, hostDiffers(wish))
  if (one.way !== undefined && !sameAuthority(one.way, wish))
    return refuse(one, response, otherAuthority(wish))
  if (one.isTls && /websocket/i.test(request.headers.upgrade ?? ''))
    return refuse(one, response, otherProtocol(wish))
  const found = one.way ?? (await settle(deps, one, wish))
  if ('status' in found) return refuse(one, response, found)
  one.way = found
  await forwardRequest(
    deps,
    { session, way: found, isTls: one.isTls, target: wish.target, request, response },
    (refusal) => refuse(one, response, refusal),
  )
  // The next request of this connection has its own time.
  session.arm(deps.limits.idleMs)
}

async function settle(
  deps: WayOutDeps,
  { session }: Served,
  wish: Wish,
): Promise<WayOut | Refusal> {
  const { host, port } = wish
  const way = await findWayOut(deps, { list: session.list, host, port }, session.signal)
  return way.ok ? way.value : way.refusal
}

const GRANTED = 'HTTP/1.1 200 Connection established\r\nProxy-Agent: openexec\r\n\r\n'

async function connect(
  deps: DoorDeps,
  one: Served,
  { request, door }: { request: IncomingMessage; door: HttpDoor },
): Promise<void> {
  const { session } = one
  const { client } = session
  session.disarm()
  const refuseTunnel = (refusal: Refusal) => {
    session.refused('tunnel', refusal)
    session.arm(deps.limits.headMs)
    client.resume()
    client.end(refusalAnswer(refusal))
  }
  const wish = readAuthority(request.url ?? '', undefined)
  if (wish === undefined) return void client.end(badRequest(false))
  if (!hostMatches(request, wish)) return refuseTunnel(hostDiffers(wish))
  const way = await findWayOut(deps, { list: session.list, ...wish }, session.signal)
  if (!way.ok) return refuseTunnel(way.refusal)
  const authority = standInFor(session, way.value, deps.authority)
  if (authority !== undefined) {
    client.write(GRANTED)
    return await standIn(session, { http: door, authority, way: way.value, via: 'tunnel' })
  }
  const unseen = unseenRequests(way.value)
  if (unseen !== undefined) return refuseTunnel(unseen)
  const reader = readerFor(way.value)
  const upstream = await dialWayOut(deps, way.value, session.signal, reader)
  if (!upstream.ok) return refuseTunnel(upstream.refusal)
  client.write(GRANTED)
  await openTunnel(session, {
    http: door,
    way: way.value,
    upstream: upstream.value,
    reader,
    via: 'tunnel',
  })
}

function readWish({ url = '' }: IncomingMessage): Wish | undefined {
  const absolute = readAbsolute(url)
  return absolute === undefined ? undefined : { ...absolute.authority, target: absolute.target }
}

/** Inside of a tunnel a request names its path only, or its whole address again. */
function insideWish({ way }: Served, request: IncomingMessage): Wish | undefined {
  const { url = '' } = request
  if (way === undefined) return undefined
  const { host, port } = way.permission
  if (url.startsWith('/')) return { host: host.host, port, target: url }
  return readWish(request)
}

function refuse({ session }: Served, response: ServerResponse, refusal: Refusal): void {
  session.refused('http', refusal)
  sayNo(response, refusal.status, refusalBody(refusal), statusText(refusal))
}

const BAD_REQUEST = [
  'This is the way out of an OpenExec sandbox, an HTTP and SOCKS 5 proxy.',
  'Ask for http://host/path, or CONNECT host:port.',
  '',
].join('\n')

function sayNo(response: ServerResponse, status: number, body: string, text?: string): void {
  if (response.headersSent) return void response.destroy()
  const headers = { 'content-type': 'text/plain; charset=utf-8', connection: 'close' }
  if (text === undefined) response.writeHead(status, headers)
  else response.writeHead(status, text, headers)
  response.end(body)
}

function badRequest(tooLong: boolean): string {
  const status = tooLong ? '431 Request Header Fields Too Large' : '400 Bad Request'
  return `HTTP/1.1 ${status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`
}
