/** The real resolver and dialer: what a gateway uses outside of tests. */
import { Resolver } from 'node:dns/promises'
import { connect, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { rootCertificates } from 'node:tls'
import { type AddressClass, classifyAddress } from '../../policy/index.ts'
import type { Environment } from '../engine-addresses.ts'
import { deferred } from '../pipe-deferred.ts'
import { authoritySources, findPrivateAuthorities } from '../private-authorities.ts'
import type { BulkReader } from './bulk-reader.ts'

const TRY_MS = 3_000
const TRIES = 2

/** All IPv4 and then all IPv6 addresses; rejects with the resolver's error when there is none. */
export async function resolveName(name: string, signal: AbortSignal): Promise<readonly string[]> {
  const resolver = new Resolver({ timeout: TRY_MS, tries: TRIES })
  const stop = () => resolver.cancel()
  signal.addEventListener('abort', stop, { once: true })
  try {
    const [four, six] = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)])
    signal.throwIfAborted()
    const found = [four, six].flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
    if (found.length === 0 && four.status === 'rejected') throw four.reason
    return found
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** Half-open ends are kept: the end of one direction is not the end of the other. */
export async function dialAddress(
  address: string,
  port: number,
  signal: AbortSignal,
  reader?: BulkReader,
): Promise<Socket> {
  signal.throwIfAborted()
  const { promise, resolve, reject } = deferred<Socket>()
  const onread = reader === undefined ? {} : { onread: reader.attach() }
  const socket = connect({ host: address, port, allowHalfOpen: true, noDelay: true, ...onread })
  const stop = () => socket.destroy(new Error('Aborted', { cause: signal.reason }))
  signal.addEventListener('abort', stop, { once: true })
  socket.once('connect', () => resolve(socket)).once('error', reject)
  try {
    return await promise
  } finally {
    signal.removeEventListener('abort', stop)
    socket.off('error', reject)
  }
}

/** The machine's own addresses, as they are now, are nobody's to reach. */
export function classifyHere(address: string): AddressClass {
  const own = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
  return classifyAddress(
    address,
    own.map((each) => each.address.split('%')[0] ?? ''),
  )
}

/** Public authorities and those of this site; read when they are first needed. */
export function rootsOf(certificates: Environment): () => readonly string[] {
  let known: readonly string[] | undefined
  return () => {
    if (known === undefined) {
      const own = findPrivateAuthorities(authoritySources(certificates), new Date())
      known = [...rootCertificates, ...own.map(({ pem }) => pem)]
    }
    return known
  }
}
