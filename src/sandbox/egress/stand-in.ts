/**
 * Tunnels to hosts whose requests must be seen: the gateway answers in the host's place, with a
 * certificate of the run's own authority, and reads HTTP/1.1. Every other tunnel is passed on as it
 * is. What cannot be seen here is not let through.
 */
import { TLSSocket } from 'node:tls'
import { mustSee } from '../../policy/index.ts'
import type { HttpDoor } from './http-door.ts'
import { peek } from './peek.ts'
import type { RunAuthority } from './run-authority.ts'
import type { EgressRecord, Session } from './session.ts'
import { checkHello } from './tunnel.ts'
import type { WayOut } from './way-out.ts'

export interface StandInOptions {
  http: HttpDoor
  authority: RunAuthority
  way: WayOut
  via: EgressRecord['via']
}

const TLS_PORT = 443
const HTTP_PORT = 80
const TLS_HANDSHAKE = 22

/** The authority to stand in with, where the tunnel's requests have to be seen and can be. */
export function standInFor(
  { list }: Session,
  { permission }: WayOut,
  authority: RunAuthority | undefined,
): RunAuthority | undefined {
  if (permission.port === HTTP_PORT) return undefined
  return mustSee(list, permission) ? authority : undefined
}

/** Serves a tunnel that was granted. */
export async function standIn(session: Session, options: StandInOptions): Promise<void> {
  const { http, authority, way, via } = options
  const { client, limits } = session
  const { permission } = way
  const { host, port } = permission
  const told = { host: host.host, port, remedy: '' }
  const waits = { bytesMax: 1, timeoutMs: limits.headMs }
  const first = await peek(client, { ...waits, enough: () => true })
  if (first.bytes.length === 0) return session.destroy()
  if (first.bytes[0] !== TLS_HANDSHAKE && port !== TLS_PORT)
    return http.serveInside(session, { way, stream: client, isTls: false })
  const verdict = await checkHello(session, permission)
  if (session.signal.aborted) return
  if (!verdict.ok) {
    session.refused(via, { ...told, ...verdict, outcome: 'denied', status: 403 })
    return session.destroy()
  }
  const secure = new TLSSocket(client, {
    isServer: true,
    secureContext: authority.contextFor(host.host),
    // Nothing but HTTP/1.1 is read here; a client that insists on another is told so by TLS.
    ALPNProtocols: ['http/1.1'],
  })
  secure.on('close', () => session.destroy())
  secure.on('error', (error) => {
    if (isDistrust(error))
      session.refused(via, {
        ...told,
        outcome: 'failed',
        status: 502,
        rule: 'builtin:tls-distrust',
        reason: 'The program does not trust the certificate authority of the run',
        remedy: `Have it read SSL_CERT_FILE, or permit ${host.host} without methods, paths and secrets`,
      })
    session.destroy()
  })
  http.serveInside(session, { way, stream: secure, isTls: true })
}

function isDistrust(error: Error): boolean {
  const code = 'code' in error ? String(error.code) : ''
  return /ALERT_(?:UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_UNKNOWN)|UNKNOWN_CA|CERTIFICATE_UNKNOWN/.test(
    code,
  )
}
