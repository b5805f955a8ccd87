/** Whether a request is for the authority its connection was opened for, and what is said if not. */
import type { IncomingMessage } from 'node:http'
import { canonicalHost } from '../../policy/index.ts'
import { type Authority, readAuthority } from './authority.ts'
import type { Refusal, WayOut } from './way-out.ts'

/** Exactly one Host, and the very authority of the request. */
export function hostMatches(request: IncomingMessage, wish: Authority): boolean {
  const hosts = request.headersDistinct['host'] ?? []
  const [text] = hosts
  // HTTP/1.0 and some tunnels have none; the authority is then all that is ever sent on.
  if (text === undefined) return true
  const named = hosts.length === 1 ? readAuthority(text, wish.port) : undefined
  if (named === undefined) return false
  return named.port === wish.port && sameHost(named.host, wish.host)
}

export function sameAuthority({ permission }: WayOut, wish: Authority): boolean {
  return permission.port === wish.port && sameHost(permission.host.host, wish.host)
}

function sameHost(one: string, other: string): boolean {
  const canonical = canonicalHost(one)?.host
  return canonical !== undefined && canonical === canonicalHost(other)?.host
}

export function hostDiffers({ host, port }: Authority): Refusal {
  return {
    outcome: 'denied',
    status: 403,
    host: shown(host),
    port,
    rule: 'builtin:host-header',
    reason: 'The Host header differs from the host of the request',
    remedy: '',
  }
}

export function otherAuthority(wish: Authority): Refusal {
  return {
    ...hostDiffers(wish),
    status: 421,
    rule: 'builtin:one-authority',
    reason: 'This connection was opened for another host',
  }
}

export function otherProtocol(wish: Authority): Refusal {
  return {
    ...hostDiffers(wish),
    rule: 'builtin:upgrade',
    reason: 'Requests to it must be seen, and a WebSocket hides what is in it',
  }
}

function shown(host: string): string {
  return canonicalHost(host)?.host ?? 'unreadable'
}
