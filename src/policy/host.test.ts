import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalHost } from './host.ts'

test.each([
  ['Example.COM', 'name', 'example.com'],
  ['example.com.', 'name', 'example.com'],
  ['_dmarc.example.com', 'name', '_dmarc.example.com'],
  ['xn--bcher-kva.example', 'name', 'xn--bcher-kva.example'],
  ['93.184.216.34', 'ip', '93.184.216.34'],
  ['2852039166', 'ip', '169.254.169.254'],
  ['127.1', 'ip', '127.0.0.1'],
  ['0x7f.1', 'ip', '127.0.0.1'],
  ['0177.0.0.1', 'ip', '127.0.0.1'],
  ['127.0.0.1.', 'ip', '127.0.0.1'],
  ['::1', 'ip', '::1'],
  ['[2001:DB8::1]', 'ip', '2001:db8::1'],
  ['::ffff:1.2.3.4', 'ip', '1.2.3.4'],
  ['::ffff:a9fe:a9fe', 'ip', '169.254.169.254'],
])('canonicalHost() brings %j to %s %j', (text, kind, host) => {
  expect(canonicalHost(text)).toEqual({ kind, host })
})

test.each([
  '',
  '.',
  'evil.test\0.allowed.com',
  '::ffff:1.2.3.4%x.allowed.com',
  'fe80::1%25eth0',
  'allowed.com:443',
  'allowed.com:443.evil.test',
  'allowed.com@evil.test',
  'user:pass@allowed.com',
  'allowed.com/evil',
  'allowed.com\\evil',
  'allowed.com?x',
  'allowed.com#x',
  'allowed.com%2eevil.test',
  'allowed.com evil.test',
  ' allowed.com',
  'allowed.com\n',
  'allowed..com',
  '.allowed.com',
  'allowed.com..',
  '-allowed.com',
  'allowed-.com',
  'bücher.example',
  'ａllowed.com',
  'allowed。com',
  '999.1.1.1',
  '1.2.3.4.5',
  '0x100000000',
  `${'a'.repeat(64)}.com`,
  `${'a.'.repeat(127)}com`,
  '[::1',
  '[::1]:80',
  '[allowed.com]',
  '*.allowed.com',
])('canonicalHost() refuses %j', (text) => {
  expect(canonicalHost(text)).toBeUndefined()
})

test('canonicalHost() gives a host that is its own canonical form and survives a URL', () => {
  const part = fc.stringMatching(/^[A-Za-z0-9._:[\]%@-]{0,12}$/)
  fc.assert(
    fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
      const host = canonicalHost(parts.join('.'))
      if (host === undefined) return
      expect(canonicalHost(host.host)).toEqual(host)
      const shown = host.host.includes(':') ? `[${host.host}]` : host.host
      expect(new URL(`http://${shown}/`).hostname).toBe(shown)
    }),
    { numRuns: 3000 },
  )
})
