import { isIP } from 'node:net'
import { canonicalHost } from '../../policy/index.ts'
import type { Place } from '../../sandbox/index.ts'
import { OpenExecError } from '../../schema/index.ts'

export interface HookTarget {
  place: Place
  /** By TLS. */
  secure: boolean
  /** `Host` of the request. */
  authority: string
  /** Path and query. */
  path: string
}

const HTTPS_PORT = 443

/**
 * Where a webhook leads. Only https on its own port, at a name, unless the operator allows exactly
 * this origin. Throws `bad_request`.
 */
export function hookTarget(text: string, allowed: readonly string[]): HookTarget {
  if (!URL.canParse(text)) throw refused(text, 'expected an address such as https://host/path')
  const url = new URL(text)
  const secure = url.protocol === 'https:'
  if (!secure && url.protocol !== 'http:') throw refused(text, 'expected https')
  if (url.username !== '' || url.password !== '')
    throw refused(text, 'expected no name and no password in it')
  const host = canonicalHost(url.hostname)
  if (host === undefined) throw refused(text, 'expected exactly one host')
  const port = Number(url.port === '' ? (secure ? HTTPS_PORT : 80) : url.port)
  const isAllowed = allowed.includes(url.origin)
  if (!isAllowed && !secure) throw refused(text, 'expected https')
  if (!isAllowed && port !== HTTPS_PORT) throw refused(text, 'expected port 443')
  if (!isAllowed && isIP(host.host) !== 0) throw refused(text, 'expected a name, not an address')
  return {
    place: { host: host.host, port, mayBePrivate: isAllowed },
    secure,
    authority: url.host,
    path: `${url.pathname}${url.search}`,
  }
}

function refused(text: string, why: string): OpenExecError {
  return new OpenExecError('bad_request', `Cannot send to "${text.slice(0, 200)}": ${why}`, {
    hint: 'Whoever operates the server can allow other places with `openexec serve --webhook-allow ORIGIN`',
    details: { field: 'url' },
  })
}
