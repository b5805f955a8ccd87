/**
 * Which names a server answers to. A page in a browser reaches a server on the same machine by a name
 * of its own that it lets point there, or simply by sending; both show in these two headers.
 */
import { isIP } from 'node:net'

export interface KnownHosts {
  /** What the server listens on. */
  listen: string
  /** Names that a proxy or the network gives it. */
  hosts: readonly string[]
  /** Origins of pages that may speak to it, such as `https://ci.example.com`. */
  origins: readonly string[]
}

const LOOPBACK = ['localhost', '127.0.0.1', '::1']
const ANY = ['0.0.0.0', '::']

/** A numeric address cannot be rebound, so where the server listens on all of them all are known. */
export function isKnownHost(known: KnownHosts, header: string | undefined): boolean {
  const name = hostOf(header)
  if (name === undefined) return false
  if (LOOPBACK.includes(name) || known.listen === name || known.hosts.includes(name)) return true
  return ANY.includes(known.listen) && isIP(name) !== 0
}

/** Programs send none. A page may only be one of this server or one that was named. */
export function isKnownOrigin(known: KnownHosts, origin: string | undefined): boolean {
  return origin === undefined || known.origins.includes(origin)
}

function hostOf(header: string | undefined): string | undefined {
  if (header === undefined) return undefined
  const [, bracketed, plain] =
    /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(header) ?? []
  return (bracketed ?? plain)?.toLowerCase()
}
