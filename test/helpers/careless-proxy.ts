/**
 * A proxy as it should not be: it looks for a listed name in the text, or for a forbidden one, cuts
 * the name as C programs and old URL parsers do, and passes bytes on. What reaches something else
 * through it shows that an attack is one.
 */
import { type Attack, type Careless, FORBIDDEN_TEXT } from './egress-attacks.ts'
import type { TestInternet } from './test-internet.ts'

const LISTED = 'allowed.test'
export interface Reached {
  /** What would be dialled, `host:port`. */
  target: string
  /** Bytes that would be passed on unseen. */
  passed: string
}

/** Where the attack gets, or nothing when even this proxy stops it. */
export function carelessly(
  attack: Attack,
  { names }: Pick<TestInternet, 'names'>,
): Reached | undefined {
  const text = attack.bytes.toString('latin1')
  const wish = text.startsWith('\x05') ? socksWish(attack.bytes) : httpWish(text)
  if (wish === undefined || !passes(attack.careless, wish.host)) return undefined
  const host = dialledHost(wish.host)
  // Looked at once for the check, and once more to dial.
  const [, answer] = [names.get(host)?.()[0], names.get(host)?.()[0]]
  return { target: `${answer ?? host}:${wish.port}`, passed: wish.rest }
}

interface Wish {
  host: string
  port: string
  rest: string
}

function httpWish(text: string): Wish | undefined {
  const line =
    /^(?:CONNECT |[A-Z]+ https?:\/\/)([^\r\n]*?)(?:\/leak|\/first)? HTTP\/1\.1\r?\n/.exec(text)
  const authority = line?.[1]
  if (line === null || authority === undefined) return undefined
  const port = /:(\d+)$/.exec(authority)?.[1]
  const host = port === undefined ? authority : authority.slice(0, -port.length - 1)
  return { host, port: port ?? '80', rest: text.slice(line[0].length) }
}

function socksWish(bytes: Buffer): Wish {
  const isName = bytes[6] === 3
  const length = isName ? (bytes[7] ?? 0) : 4
  const start = isName ? 8 : 7
  const address = bytes.subarray(start, start + length)
  const host = isName ? address.toString('latin1') : address.join('.')
  return { host, port: String(bytes.readUInt16BE(start + length)), rest: '' }
}

function passes(careless: Careless, host: string): boolean {
  if (careless === 'none') return true
  if (careless === 'denies') return !FORBIDDEN_TEXT.test(host)
  if (careless === 'contains') return host.includes(LISTED) || host.includes('allowed-test')
  return careless === 'starts' ? host.startsWith(LISTED) : host.endsWith(LISTED)
}

function dialledHost(host: string): string {
  const cut = host.split('\0', 1)[0] ?? ''
  const decoded = cut.replace(/%00.*/, '').replaceAll('%2e', '.')
  const url = `http://${decoded.trim()}/`
  return URL.canParse(url) ? new URL(url).hostname : decoded
}
