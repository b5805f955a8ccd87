/**
 * TLS to a host whose requests are seen. The sandbox cannot look at the host's certificate any more,
 * so it is checked here, strictly: chain, name and dates, against the roots of this machine.
 */
import { type Socket } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import { deferred } from '../pipe-deferred.ts'
import type { Found, WayOut, WayOutDeps } from './way-out.ts'

/** Never rejects; takes the connection along when it fails. */
export async function secureUpstream(
  { roots, limits }: Pick<WayOutDeps, 'roots' | 'limits'>,
  { permission }: WayOut,
  socket: Socket,
): Promise<Found<TLSSocket>> {
  const { host, port } = permission
  const { promise, resolve } = deferred<Error | undefined>()
  const secure = connect({
    socket,
    servername: host.host,
    ca: [...roots()],
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['http/1.1'],
  })
  const limit = setTimeout(() => resolve(new Error('it did not answer in time')), limits.helloMs)
  secure
    .once('secureConnect', () => resolve(undefined))
    .on('error', resolve)
    .once('close', () => resolve(new Error('the host ended the connection')))
  const error = await promise
  clearTimeout(limit)
  if (error === undefined) return { ok: true, value: secure }
  secure.destroy()
  socket.destroy()
  const told = { host: host.host, port, outcome: 'failed', status: 502, remedy: '' } as const
  const reason = `Permitted, but TLS with it cannot be trusted: ${whyOf(error)}`
  return { ok: false, refusal: { ...told, rule: 'builtin:upstream-tls', reason } }
}

/** A code says all there is to know; messages quote the host's certificate. */
function whyOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string'
    ? error.code
    : error.message.slice(0, 100)
}
