/** What a policy writes for hosts: `name`, `*.suffix`, an address; each with an optional `:port`. */
import { canonicalHost, type Host } from './host.ts'

/** What a pattern without a port means where it permits. */
const DEFAULT_PORTS: readonly number[] = [80, 443]

export interface HostPattern {
  /** Canonical spelling; the one that is stored and shown. */
  text: string
  kind: 'name' | 'ip' | 'suffix'
  /** Without `*.` for a suffix. */
  host: string
  port: number | undefined
}

export type HostPatternResult = { ok: true; pattern: HostPattern } | { ok: false; problem: string }

/** The pattern that a text is, in a list; an empty one where it is none. */
export function patternOf(text: string): HostPattern[] {
  const known = PATTERNS.get(text)
  if (known !== undefined) return [known]
  const parsed = parseHostPattern(text)
  if (!parsed.ok) return []
  if (PATTERNS.size < PATTERNS_MAX) PATTERNS.set(text, parsed.pattern)
  return [parsed.pattern]
}

/** Patterns of policies, read once; they never change their meaning. */
const PATTERNS = new Map<string, HostPattern>()
const PATTERNS_MAX = 10_000

/** Reads a pattern, or says what is wrong with it. */
export function parseHostPattern(text: string): HostPatternResult {
  const split = splitPort(text)
  if (split === undefined)
    return no('expected a host, *.suffix or an address, and at most one :port')
  const { head, port } = split
  if (head.includes('*') && !head.startsWith('*.'))
    return no(
      head === '*' ? '"*" is every host; name the hosts' : '"*" stands only before the first dot',
    )
  const wild = head.startsWith('*.')
  const host = canonicalHost(wild ? head.slice(2) : head)
  if (host === undefined)
    return no(
      'it is not a host name or address; write no scheme, path or user, and non-ASCII names as xn--',
    )
  if (wild && host.kind === 'ip') return no('a wildcard cannot stand before an address')
  if (wild && !host.host.includes('.'))
    return no(`"*.${host.host}" is too broad; name at least two labels`)
  const kind = wild ? 'suffix' : host.kind
  return { ok: true, pattern: { text: patternText(kind, host, port), kind, host: host.host, port } }
}

/** How a pattern without a port is read: as the usual web ports, or as every port. */
export type PortReading = 'default_ports' | 'any_port'

/** Whether a canonical host and port fall under a pattern; a wildcard never covers addresses. */
export function matchesHost(
  pattern: HostPattern,
  target: { host: Host; port: number },
  reading: PortReading,
): boolean {
  const { host, port } = target
  if (pattern.port === undefined) {
    if (reading === 'default_ports' && !DEFAULT_PORTS.includes(port)) return false
  } else if (pattern.port !== port) return false
  if (pattern.kind === 'suffix')
    return host.kind === 'name' && host.host.endsWith(`.${pattern.host}`)
  return host.kind === pattern.kind && host.host === pattern.host
}

/** Whether everything `inner` permits is permitted by `outer`. */
export function permitsAll(outer: HostPattern, inner: HostPattern): boolean {
  const ports = inner.port === undefined ? DEFAULT_PORTS : [inner.port]
  const outerPorts = outer.port === undefined ? DEFAULT_PORTS : [outer.port]
  if (!ports.every((port) => outerPorts.includes(port))) return false
  if (outer.kind !== 'suffix') return outer.kind === inner.kind && outer.host === inner.host
  if (inner.kind === 'suffix') return `.${inner.host}`.endsWith(`.${outer.host}`)
  return inner.kind === 'name' && inner.host.endsWith(`.${outer.host}`)
}

function splitPort(text: string): { head: string; port: number | undefined } | undefined {
  const match = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(text)
  // More than one colon and no brackets: an IPv6 address, which has no room for a port.
  if (match === null)
    return text.includes('::') || text.split(':').length === 8
      ? { head: text, port: undefined }
      : undefined
  const port = match[2] === undefined ? undefined : Number(match[2])
  if (port !== undefined && (port < 1 || port > 65_535)) return undefined
  return { head: match[1] ?? '', port }
}

function patternText(kind: HostPattern['kind'], { host }: Host, port: number | undefined): string {
  const shown = kind === 'suffix' ? `*.${host}` : host.includes(':') ? `[${host}]` : host
  return port === undefined ? shown : `${shown}:${port}`
}

function no(problem: string): HostPatternResult {
  return { ok: false, problem }
}
