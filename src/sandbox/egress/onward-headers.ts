import type { IncomingMessage } from 'node:http'
import type { HeaderPairs } from './credentials.ts'
import type { WayOut } from './way-out.ts'

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
const TLS_PORT = 443

/** Pairs as they came, but for what concerns this connection only. */
export function onward(
  raw: readonly string[],
  { dropEncodings }: { dropEncodings: boolean },
): HeaderPairs {
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
  if (dropEncodings) named.push('accept-encoding')
  return pairs.filter(
    ([name]) => !HOP_BY_HOP.has(name.toLowerCase()) && !named.includes(name.toLowerCase()),
  )
}

/** What the gateway says itself: one host, one request, and a body that can be read. */
export function ownHeaders(
  { permission }: WayOut,
  { request, isTls, isBound }: { request: IncomingMessage; isTls: boolean; isBound: boolean },
): HeaderPairs {
  const { host, port } = permission
  const name = host.host.includes(':') ? `[${host.host}]` : host.host
  const isUsual = port === (isTls ? TLS_PORT : HTTP_PORT)
  const isChunked = request.headers['transfer-encoding'] !== undefined
  return [
    ['Host', isUsual ? name : `${name}:${port}`],
    ['Connection', 'close'],
    ...(isChunked ? ([['Transfer-Encoding', 'chunked']] as const) : []),
    // A secret that comes back compressed would not be recognised.
    ...(isBound ? ([['Accept-Encoding', 'identity']] as const) : []),
  ]
}
