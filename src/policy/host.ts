/**
 * The one place where the text of a host becomes a host. What comes out is what is compared, shown
 * and dialled; two spellings of one host cannot be told apart later, and whatever does not survive
 * the way through unchanged in meaning is refused.
 */

export interface Host {
  kind: 'name' | 'ip'
  /** Lower case, no trailing dot, no brackets; numeric addresses in their usual spelling. */
  host: string
}

const NAME_MAX = 253
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/

/** `undefined` for anything that is not exactly one host: ports, users, zones, bytes, escapes. */
export function canonicalHost(text: string): Host | undefined {
  if (text.length > NAME_MAX + 1) return undefined
  if (text.includes(':')) return canonicalIpv6(text)
  // Before any parser sees it: no percent signs, no NUL, no white space, nothing beyond ASCII.
  if (!/^[A-Za-z0-9._-]+$/.test(text)) return undefined
  const lower = text.toLowerCase().replace(/\.$/, '')
  const parsed = hostnameOf(lower)
  if (parsed === undefined) return undefined
  if (/^\d+\.\d+\.\d+\.\d+$/.test(parsed)) return { kind: 'ip', host: parsed }
  // A name that the parser rewrites has two spellings; only one of them would be checked.
  if (parsed !== lower || !lower.split('.').every((label) => LABEL.test(label))) return undefined
  return { kind: 'name', host: lower }
}

function canonicalIpv6(text: string): Host | undefined {
  const bare = /^\[([0-9A-Fa-f:.]+)\]$/.exec(text)?.[1] ?? text
  if (!/^[0-9A-Fa-f:.]+$/.test(bare)) return undefined
  const host = hostnameOf(`[${bare}]`)?.slice(1, -1)
  if (host === undefined) return undefined
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(host)
  if (mapped === null) return { kind: 'ip', host }
  // An IPv4 address in IPv6 clothes is that IPv4 address to whoever dials it.
  const words = [mapped[1], mapped[2]].map((word) => Number.parseInt(word ?? '', 16))
  return { kind: 'ip', host: words.flatMap((word) => [word >> 8, word & 0xff]).join('.') }
}

function hostnameOf(host: string): string | undefined {
  const url = `http://${host}/`
  return URL.canParse(url) ? new URL(url).hostname : undefined
}
