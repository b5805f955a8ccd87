/**
 * One HTTP request of a sandbox, sent on to the address that was checked. Only what concerns the
 * host goes on: nothing hop-by-hop, no upgrade, and one Host, which is the authority.
 */
import { type IncomingMessage, request as httpRequest, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { decideRequest } from '../../policy/index.ts'
import type { Session } from './session.ts'
import { dialWayOut, type Refusal, type WayOut, type WayOutDeps } from './way-out.ts'
import { deferred } from '../pipe-deferred.ts'

export interface Forwarded {
  session: Session
  way: WayOut
  /** Path and query. */
  target: string
  request: IncomingMessage
  response: ServerResponse
}

/** Headers that concern one connection only, and those that would make it something else. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'host',
  'expect',
])
const HTTP_PORT = 80

/** Rejects only when the connection is not to be used any more. */
export async function forwardRequest(
  deps: WayOutDeps,
  forwarded: Forwarded,
  refuse: (refusal: Refusal) => void,
): Promise<void> {
  const { session, way, target, request } = forwarded
  const method = request.method ?? ''
  const decision = decideRequest(session.list, way.permission, { method, target })
  if (!decision.allow) {
    const { host, port, rule, reason, remedy } = decision
    return refuse({ host, port, rule, reason, remedy, outcome: 'denied', status: 403 })
  }
  const upstream = await dialWayOut(deps, way, session.signal)
  if (!upstream.ok) return refuse(upstream.refusal)
  const { host, port, rule } = decision
  session.follow(upstream.value, { via: 'http', host: host.host, port, rule })
  const answered = await exchange(forwarded, upstream.value)
  if (answered) return
  const reason = 'Permitted, but the host ended the connection without an answer'
  refuse({ outcome: 'failed', status: 502, host: host.host, port, rule, reason, remedy: '' })
}

/** False when nothing was answered, and something else still can be. */
async function exchange(forwarded: Forwarded, upstream: Socket): Promise<boolean> {
  const { session, way, target, request, response } = forwarded
  const { promise, resolve, reject } = deferred<IncomingMessage | undefined>()
  const out = httpRequest({
    method: request.method ?? 'GET',
    path: target,
    headers: [...onward(request.rawHeaders), ...ownHeaders(way, request)],
    setHost: false,
    createConnection: () => upstream,
  })
  out.once('response', resolve)
  out.once('error', () => resolve(undefined))
  // A host that changes protocols without being asked to is not followed.
  out.once('upgrade', (_, socket) => socket.destroy())
  response.once('close', () => out.destroy())
  session.signal.addEventListener('abort', () => reject(new Error('Over')), { once: true })
  request.on('data', (chunk: Buffer) => session.count(chunk.length))
  // The host may answer before it has all; what it answers decides.
  void pipeline(request, out).catch(() => {})
  const answer = await promise
  if (answer === undefined) return false
  answer.on('data', (chunk: Buffer) => session.count(chunk.length))
  response.writeHead(
    answer.statusCode ?? 502,
    answer.statusMessage ?? '',
    onward(answer.rawHeaders),
  )
  await pipeline(answer, response)
  return true
}

function ownHeaders({ permission }: WayOut, request: IncomingMessage): string[] {
  const { host, port } = permission
  const name = host.host.includes(':') ? `[${host.host}]` : host.host
  const isChunked = request.headers['transfer-encoding'] !== undefined
  return [
    'Host',
    port === HTTP_PORT ? name : `${name}:${port}`,
    'Connection',
    'close',
    ...(isChunked ? ['Transfer-Encoding', 'chunked'] : []),
  ]
}

/** Pairs as they came, but for what concerns this connection only. */
function onward(raw: readonly string[]): string[] {
  const pairs = raw.flatMap((name, i): [string, string][] =>
    i % 2 === 0 ? [[name, raw[i + 1] ?? '']] : [],
  )
  const named = pairs
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) =>
      value
        .toLowerCase()
        .split(',')
        .map((each) => each.trim()),
    )
  return pairs
    .filter(([name]) => !HOP_BY_HOP.has(name.toLowerCase()) && !named.includes(name.toLowerCase()))
    .flat()
}
