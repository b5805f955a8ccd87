import type { Socket } from 'node:net'
import { BulkReader } from './bulk-reader.ts'
import type { HttpDoor } from './http-door.ts'
import type { EgressRecord, Session } from './session.ts'
import { checkHello, passBack, passOn, untilBothEnd } from './tunnel.ts'
import type { Refusal, WayOut } from './way-out.ts'

export interface TunnelOptions {
  http: HttpDoor
  way: WayOut
  /** Connected to one of the checked addresses. */
  upstream: Socket
  /** Of the socket; `undefined` where it is an ordinary stream. */
  reader: BulkReader | undefined
  via: EgressRecord['via']
}

const HTTP_PORT = 80
const TLS_PORT = 443

/**
 * What comes after a tunnel was granted. Port 80 is read as HTTP, so that a tunnel is no way around
 * what is checked of requests; everything else passes once its first bytes have been seen.
 */
export async function openTunnel(session: Session, options: TunnelOptions): Promise<void> {
  const { http, way, upstream, reader, via } = options
  const { permission } = way
  const { host, port, rule } = permission
  if (port === HTTP_PORT) {
    upstream.destroy()
    http.serveInside(session, { way, stream: session.client, isTls: false })
    return
  }
  const followed = session.follow(upstream, { via, host: host.host, port, rule, secrets: [] })
  untilBothEnd(session, upstream)
  // Nothing of the sandbox goes out before it was seen; on other ports the host may speak first.
  if (port !== TLS_PORT) passBack(session, upstream, reader)
  const verdict = await checkHello(session, permission)
  if (session.signal.aborted) return
  if (verdict.ok) {
    if (port === TLS_PORT) passBack(session, upstream, reader)
    passOn(session, upstream)
    return
  }
  const told = { host: host.host, port, remedy: '', outcome: 'denied', status: 403 } as const
  followed.drop()
  session.refused(via, { ...told, rule: verdict.rule, reason: verdict.reason })
  session.destroy()
}

/** Requests are read from ordinary streams; other tunnels only pass bytes on. */
export function readerFor({ permission }: WayOut): BulkReader | undefined {
  return permission.port === HTTP_PORT ? undefined : new BulkReader()
}

/** Requests of a tunnel in which nobody stands in, where only some requests are permitted. */
export function unseenRequests({ permission }: WayOut): Refusal | undefined {
  const { host, port, rule, requests } = permission
  if (requests === 'all' || port === HTTP_PORT) return undefined
  return {
    outcome: 'denied',
    status: 403,
    host: host.host,
    port,
    rule,
    reason: 'Only some requests to it are permitted, and a tunnel hides them',
    remedy: 'Permit the host without methods and paths, or by its name instead of its address',
  }
}
