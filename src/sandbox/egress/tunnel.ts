/** Bytes both ways between a sandbox and a host, once the first of them were looked at. */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { BulkReader } from './bulk-reader.ts'
import { type Hello, readHello } from './client-hello.ts'
import { peek } from './peek.ts'
import type { Session } from './session.ts'
import { canonicalHost, type Permission } from '../../policy/index.ts'

const TLS_PORT = 443
const TLS_HANDSHAKE = 22

/** What the host says, to the sandbox. The end of it is told, and the other direction goes on. */
export function passBack(session: Session, upstream: Socket, reader: BulkReader | undefined): void {
  session.arm(session.limits.idleMs)
  const count = (bytes: number) => session.count(bytes)
  if (reader?.pass(upstream, session.client, count) !== true)
    pass(upstream, session.client, session)
  upstream.once('close', () => {
    // What has come is still delivered.
    if (upstream.readableEnded && !upstream.errored) return
    session.destroy()
  })
}

/** What the sandbox says, to the host. */
export function passOn(session: Session, upstream: Socket): void {
  pass(session.client, upstream, session)
}

/** Ends the connection once both directions have ended. */
export function untilBothEnd(session: Session, upstream: Socket): void {
  let open = 2
  const ended = () => {
    open--
    if (open === 0) session.destroy()
  }
  session.client.once('finish', ended)
  upstream.once('finish', ended)
}

function pass(from: Duplex, to: Duplex, session: Session): void {
  from.on('data', (chunk: Buffer) => session.count(chunk.length))
  from.pipe(to)
}

export type HelloVerdict = { ok: true } | { ok: false; rule: string; reason: string }

/**
 * Whether the client's first bytes may go to the host: on 443 TLS that names the host, elsewhere TLS
 * that names no other. Waits for them, and leaves them in the stream.
 */
export async function checkHello(session: Session, permission: Permission): Promise<HelloVerdict> {
  if (permission.tls === 'any') return { ok: true }
  const { limits, client } = session
  const isWeb = permission.port === TLS_PORT
  const seen = await peek(client, {
    // On other ports the host may have to speak first, or the client something else than TLS.
    enough: (bytes) => bytes[0] !== TLS_HANDSHAKE || readHello(bytes).kind !== 'more',
    bytesMax: limits.headBytesMax,
    timeoutMs: isWeb ? limits.helloMs : limits.idleMs,
  })
  if (seen.end === 'timeout') return no('builtin:tls', 'No whole TLS greeting came in time')
  if (seen.end === 'too_much') return no('builtin:tls', 'The TLS greeting is too long')
  const hello = readHello(seen.bytes)
  if (hello.kind === 'not_tls' && !isWeb) return { ok: true }
  return judge(hello, permission)
}

function judge(hello: Hello, { host }: Permission): HelloVerdict {
  switch (hello.kind) {
    case 'more':
    case 'malformed':
      return no('builtin:tls', 'The TLS greeting is not well-formed')
    case 'not_tls':
      return no('builtin:tls', 'What was sent on port 443 is not TLS')
    case 'hello':
      return judgeName(hello, host.host)
  }
}

function judgeName(hello: Extract<Hello, { kind: 'hello' }>, wanted: string): HelloVerdict {
  if (hello.encrypted) return no('builtin:tls-ech', 'TLS hides its server name (encrypted hello)')
  if (hello.name === undefined) return no('builtin:tls-sni', 'TLS names no server')
  const named = canonicalHost(hello.name)?.host
  if (named === wanted) return { ok: true }
  const shown = JSON.stringify(hello.name.slice(0, 100))
  return no('builtin:tls-sni', `TLS names the server ${shown}, not the host that was asked for`)
}

function no(rule: string, reason: string): HelloVerdict {
  return { ok: false, rule, reason }
}
