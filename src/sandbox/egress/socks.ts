/** SOCKS 5 (RFC 1928), as much as is served: CONNECT, without authentication. */
import type { Authority } from './authority.ts'

export const SOCKS_VERSION = 5

export const SOCKS_REPLY = {
  granted: 0,
  failed: 1,
  notAllowed: 2,
  unreachable: 4,
  commandUnknown: 7,
  addressUnknown: 8,
} as const

export type SocksGreeting =
  | { kind: 'more' }
  | { kind: 'malformed' }
  | { kind: 'greeting'; length: number; isOpen: boolean }

/** The methods a client offers; only "no authentication" is taken. */
export function readGreeting(bytes: Buffer): SocksGreeting {
  if (bytes.length > 0 && bytes[0] !== SOCKS_VERSION) return { kind: 'malformed' }
  const count = bytes[1]
  if (count === undefined) return { kind: 'more' }
  if (count === 0) return { kind: 'malformed' }
  if (bytes.length < 2 + count) return { kind: 'more' }
  return { kind: 'greeting', length: 2 + count, isOpen: bytes.subarray(2, 2 + count).includes(0) }
}

export type SocksRequest =
  | { kind: 'more' }
  | { kind: 'refused'; reply: number }
  | { kind: 'connect'; length: number; target: Authority }

/** What a client asks for. Names are kept byte for byte, for the one who decides to refuse. */
export function readRequest(bytes: Buffer): SocksRequest {
  if (bytes.length < 5) return { kind: 'more' }
  if (bytes[0] !== SOCKS_VERSION || bytes[2] !== 0)
    return { kind: 'refused', reply: SOCKS_REPLY.failed }
  if (bytes[1] !== 1) return { kind: 'refused', reply: SOCKS_REPLY.commandUnknown }
  const size = addressSize(bytes)
  if (size === undefined) return { kind: 'refused', reply: SOCKS_REPLY.addressUnknown }
  const length = 4 + size + 2
  if (bytes.length < length) return { kind: 'more' }
  const host = hostOf(bytes, size)
  const port = bytes.readUInt16BE(4 + size)
  if (host === '' || port === 0) return { kind: 'refused', reply: SOCKS_REPLY.failed }
  return { kind: 'connect', length, target: { host, port } }
}

export function socksReply(reply: number): Buffer {
  return Buffer.from([SOCKS_VERSION, reply, 0, 1, 0, 0, 0, 0, 0, 0])
}

function addressSize(bytes: Buffer): number | undefined {
  const type = bytes[3]
  if (type === 1) return 4
  if (type === 3) return 1 + (bytes[4] ?? 0)
  return type === 4 ? 16 : undefined
}

function hostOf(bytes: Buffer, size: number): string {
  const address = bytes.subarray(4, 4 + size)
  if (bytes[3] === 1) return address.join('.')
  if (bytes[3] === 3) return address.subarray(1).toString('latin1')
  const words: string[] = []
  for (let at = 0; at < 16; at += 2) words.push(address.readUInt16BE(at).toString(16))
  return words.join(':')
}
