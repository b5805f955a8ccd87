import type { DoorDeps } from './door.ts'
import type { Session } from './session.ts'
import type { HttpDoor } from './http-door.ts'
import { peek } from './peek.ts'
import { readGreeting, readRequest, SOCKS_REPLY, socksReply } from './socks.ts'
import { openTunnel, readerFor, unseenRequests } from './open-tunnel.ts'
import { standIn, standInFor } from './stand-in.ts'
import { dialWayOut, findWayOut, type Refusal } from './way-out.ts'

const NO_AUTHENTICATION = Buffer.from([5, 0])
const NO_METHOD = Buffer.from([5, 0xff])
/** Longest request: a name of 255 bytes. */
const REQUEST_MAX = 262
const GREETING_MAX = 257

/** Serves a SOCKS 5 client. Names are resolved here, never by the client. */
export async function serveSocks(
  session: Session,
  { deps, http }: { deps: DoorDeps; http: HttpDoor },
): Promise<void> {
  const { client, limits, list, signal } = session
  const waits = { timeoutMs: limits.headMs }
  const greeted = await peek(client, {
    ...waits,
    enough: (bytes) => readGreeting(bytes).kind !== 'more',
    bytesMax: GREETING_MAX,
  })
  const greeting = readGreeting(greeted.bytes)
  if (greeting.kind !== 'greeting') return session.destroy()
  take(session, greeting.length)
  if (!greeting.isOpen) return void client.end(NO_METHOD)
  client.write(NO_AUTHENTICATION)
  const asked = await peek(client, {
    ...waits,
    enough: (bytes) => readRequest(bytes).kind !== 'more',
    bytesMax: REQUEST_MAX,
  })
  const request = readRequest(asked.bytes)
  if (request.kind === 'more') return session.destroy()
  if (request.kind === 'refused') return void client.end(socksReply(request.reply))
  take(session, request.length)
  const { target } = request
  const refuse = (refusal: Refusal) => {
    session.refused('socks', refusal)
    client.end(socksReply(replyFor(refusal)))
  }
  const way = await findWayOut(deps, { list, ...target }, signal)
  if (!way.ok) return refuse(way.refusal)
  const authority = standInFor(session, way.value, deps.authority)
  if (authority !== undefined) {
    client.write(socksReply(SOCKS_REPLY.granted))
    return await standIn(session, { http, authority, way: way.value, via: 'socks' })
  }
  const unseen = unseenRequests(way.value)
  if (unseen !== undefined) return refuse(unseen)
  const reader = readerFor(way.value)
  const upstream = await dialWayOut(deps, way.value, signal, reader)
  if (!upstream.ok) return refuse(upstream.refusal)
  client.write(socksReply(SOCKS_REPLY.granted))
  await openTunnel(session, {
    http,
    way: way.value,
    upstream: upstream.value,
    reader,
    via: 'socks',
  })
}

/** Takes bytes that were looked at out of the stream. */
function take({ client }: Session, length: number): void {
  const rest: unknown = client.read()
  if (Buffer.isBuffer(rest) && rest.length > length) client.unshift(rest.subarray(length))
}

function replyFor({ outcome }: Refusal): number {
  return outcome === 'denied' ? SOCKS_REPLY.notAllowed : SOCKS_REPLY.unreachable
}
