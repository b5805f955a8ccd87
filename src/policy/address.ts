/**
 * Which addresses a sandbox may be connected to. Only global unicast is for everybody; some ranges
 * may be named in a policy, because companies keep their registries there; the machine itself, its
 * links and translated addresses may not, whoever asks.
 */
import ipaddr from 'ipaddr.js'

export type AddressClass =
  | { kind: 'global' }
  /** Reachable only where an entry of `network.allow` names it. */
  | { kind: 'nameable'; range: string }
  | { kind: 'forbidden'; range: string }

const NAMEABLE: ReadonlySet<string> = new Set([
  'private',
  'carrierGradeNat',
  'uniqueLocal',
  'documentation',
  'benchmarking',
])

/** Ranges that the parser's own table lacks, or lumps together. */
const MORE: readonly (readonly [string, string])[] = [
  ['192.0.2.0/24', 'documentation'],
  ['198.51.100.0/24', 'documentation'],
  ['203.0.113.0/24', 'documentation'],
  ['2001:db8::/32', 'documentation'],
  ['3fff::/20', 'documentation'],
  ['198.18.0.0/15', 'benchmarking'],
  ['0.0.0.0/8', 'unspecified'],
  // Other clouds' metadata services, in ranges that would otherwise be nameable or global.
  ['100.100.100.200/32', 'metadata'],
  ['168.63.129.16/32', 'metadata'],
  ['192.0.0.192/32', 'metadata'],
  ['fd00:ec2::/32', 'metadata'],
  ['fd20:ce::254/128', 'metadata'],
]

const GLOBAL_UNICAST_V6 = ipaddr.IPv6.parseCIDR('2000::/3')
const MORE_RANGES = MORE.map(([cidr, range]) => ({ cidr: ipaddr.parseCIDR(cidr), range }))

/** Classifies one address as a resolver gives it; what cannot be read is forbidden. */
export function classifyAddress(text: string, own: readonly string[]): AddressClass {
  const address = parseAddress(text)
  if (address === undefined) return { kind: 'forbidden', range: 'unreadable' }
  if (own.some((each) => sameAddress(address, each))) return { kind: 'forbidden', range: 'own' }
  const range = rangeOf(address)
  if (range === 'unicast') return { kind: 'global' }
  return { kind: NAMEABLE.has(range) ? 'nameable' : 'forbidden', range }
}

/** Whether an address lies in a block such as `10.1.0.0/16`, or is the one address given. */
export function inBlock(text: string, block: string): boolean {
  const address = parseAddress(text)
  const parsed = parseBlock(block)
  if (address === undefined || parsed === undefined) return false
  return address.kind() === parsed[0].kind() && address.match(parsed)
}

/** What is wrong with a block of addresses that a policy names; `undefined` when nothing is. */
export function blockProblem(block: string): string | undefined {
  const parsed = parseBlock(block)
  if (parsed === undefined) return 'expected an address or a block such as 10.1.0.0/16'
  const [address, bits] = parsed
  const least = address.kind() === 'ipv4' ? 8 : 16
  if (bits < least) return `a block of more than /${least} is too broad`
  return undefined
}

type Address = ipaddr.IPv4 | ipaddr.IPv6

function parseAddress(text: string): Address | undefined {
  // A zone would be cut off by whoever dials; strict forms only.
  if (!/^[0-9A-Fa-f:.]+$/.test(text)) return undefined
  if (text.includes(':')) return ipaddr.IPv6.isValid(text) ? ipaddr.process(text) : undefined
  return ipaddr.IPv4.isValidFourPartDecimal(text) ? ipaddr.IPv4.parse(text) : undefined
}

function parseBlock(block: string): [Address, number] | undefined {
  const [host = '', bits] = block.split('/')
  const address = parseAddress(host)
  if (address === undefined) return undefined
  const most = address.kind() === 'ipv4' ? 32 : 128
  if (bits === undefined) return [address, most]
  if (!/^\d{1,3}$/.test(bits) || Number(bits) > most) return undefined
  return [address, Number(bits)]
}

function sameAddress(address: Address, text: string): boolean {
  const other = parseAddress(text)
  return other !== undefined && other.toNormalizedString() === address.toNormalizedString()
}

function rangeOf(address: Address): string {
  const more = MORE_RANGES.find(
    ({ cidr }) => cidr[0].kind() === address.kind() && address.match(cidr),
  )
  if (more !== undefined) return more.range
  const range = address.range()
  // Whatever is not in 2000::/3 is no global address, known to the table or not.
  if (range === 'unicast' && address.kind() === 'ipv6' && !address.match(GLOBAL_UNICAST_V6))
    return 'reserved'
  return range
}
