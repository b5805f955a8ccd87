/**
 * No spelling of a host is permitted that a WHATWG URL parser would not take to a permitted host.
 * Names are made of the pieces that have fooled allow-lists; the oracle shares no code with what it
 * checks. `OPENEXEC_NAMES` asks for another number of names.
 */
import { expect, test } from 'vitest'
import { decideNetwork, networkList } from './network.ts'
import { readPolicy } from './read-policy.ts'

const ASKED = Number(process.env['OPENEXEC_NAMES'] ?? 0)
const NAMES = ASKED || 1_000_000
const BUDGET_MS = ASKED ? 600_000 : 3_000
const EXACT = ['allowed.test', 'api.allowed.test', 'xn--bcher-kva.test']
const SUFFIX = ['.wild.test', '.a.b.test']

const LIST = networkList(
  readPolicy({
    file: 'p.yaml',
    text: 'version: 1\nnetwork: { allow: [allowed.test, api.allowed.test, xn--bcher-kva.test, "*.wild.test", "*.a.b.test"], deny: [no.wild.test] }\n',
  }),
  { mode: 'workspace_write', stage: 's', network: undefined },
)

// oxfmt-ignore
const PIECES = [
  'allowed.test', 'api.allowed.test', 'wild.test', '.wild.test', 'a.b.test', 'no.wild.test',
  'ALLOWED', 'Wild', 'test', 'evil', 'x', 'xn--', 'bcher-kva', 'bücher', '-', '_', '*',
  '.', '..', '。', '．', '｡', ':', ':443', ':80', '@', '/', '\\', '?', '#', '%', '%2e', '%00',
  '\0', '\t', '\n', '\r', ' ', '\u00ad', '\u200b', '\u200d', '\u202e', 'ı', 'ſ', 'K', 'ß', '①',
  '127.0.0.1', '0x7f.1', '2130706433', '0177.1', '[::1]', '::ffff:127.0.0.1', 'fe80::1%eth0', '1',
]

test(
  'decideNetwork() permits no name that a URL parser takes elsewhere',
  { timeout: 600_000 },
  () => {
    const random = sequence(20_261_122)
    const until = performance.now() + BUDGET_MS
    let [tried, allowed] = [0, 0]
    const wrong: string[] = []
    while (tried < NAMES && (tried % 1024 !== 0 || performance.now() < until)) {
      const name = nameOf(random)
      tried++
      if (!decideNetwork(LIST, { host: name, port: 443 }).allow) continue
      allowed++
      if (!isAllowedUrl(name)) wrong.push(name)
    }
    expect(wrong).toEqual([])
    expect(tried).toBeGreaterThan(20_000)
    // The generator does make names that are permitted.
    expect(allowed).toBeGreaterThan(tried / 1000)
  },
)

/** What the platform's URL parser makes of it, compared label by label. */
function isAllowedUrl(name: string): boolean {
  if (!URL.canParse(`https://${name}/`)) return false
  const { hostname, port, username, password, pathname } = new URL(`https://${name}/`)
  if (port !== '' || username !== '' || password !== '' || pathname !== '/') return false
  const host = hostname.replace(/\.$/, '')
  if (host === 'no.wild.test') return false
  return EXACT.includes(host) || SUFFIX.some((suffix) => host.endsWith(suffix))
}

function nameOf(random: () => number): string {
  const count = 1 + (random() % 4)
  let name = ''
  for (let i = 0; i < count; i++) name += PIECES[random() % PIECES.length] ?? ''
  return name
}

/** xorshift32: the same names on every machine. */
function sequence(seed: number): () => number {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}
