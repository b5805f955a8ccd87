import { expect, test } from 'vitest'
import { canonicalHost } from './host.ts'
import { type HostPattern, matchesHost, parseHostPattern, permitsAll } from './host-pattern.ts'

function pattern(text: string): HostPattern {
  const parsed = parseHostPattern(text)
  if (!parsed.ok) throw new Error(`"${text}": ${parsed.problem}`)
  return parsed.pattern
}

function reaches(allowed: string, text: string, port = 443): boolean {
  const host = canonicalHost(text)
  return host !== undefined && matchesHost(pattern(allowed), { host, port }, 'default_ports')
}

test.each([
  ['Example.com', 'example.com'],
  ['*.Example.com:8443', '*.example.com:8443'],
  ['10.0.0.1:22', '10.0.0.1:22'],
  ['[2001:DB8::1]:443', '[2001:db8::1]:443'],
  ['2001:db8::1', '[2001:db8::1]'],
])('parseHostPattern() writes %j as %j', (text, expected) => {
  expect(pattern(text).text).toBe(expected)
})

test.each([
  ['*', 'name the hosts'],
  ['*.com', 'too broad'],
  ['a.*.com', 'before the first dot'],
  ['*.1.2.3.4', 'cannot stand before an address'],
  ['https://example.com', 'expected a host'],
  ['example.com/path', 'not a host name'],
  ['example.com:0', 'expected a host'],
  ['example.com:70000', 'expected a host'],
  ['example.com:https', 'expected a host'],
  ['user@example.com', 'not a host name'],
  ['bücher.example', 'xn--'],
  ['', 'not a host name'],
])('parseHostPattern() refuses %j', (text, problem) => {
  const parsed = parseHostPattern(text)
  expect(parsed.ok ? 'accepted' : parsed.problem).toContain(problem)
})

test.each([
  ['github.com', 'github.com', true],
  ['github.com', 'GITHUB.com.', true],
  ['github.com', 'notgithub.com', false],
  ['github.com', 'a.github.com', false],
  ['github.com', 'github.com.evil.test', false],
  ['*.github.com', 'api.github.com', true],
  ['*.github.com', 'a.b.github.com', true],
  ['*.github.com', 'github.com', false],
  ['*.github.com', 'evilgithub.com', false],
  ['*.0.1.example', '127.0.0.1', false],
  ['127.0.0.1', '2130706433', true],
  ['169.254.169.254', '::ffff:169.254.169.254', true],
])('matchesHost() with %j and %j: %s', (allowed, text, expected) => {
  expect(reaches(allowed, text)).toBe(expected)
})

test('matchesHost() reads a missing port as the web ports where it permits', () => {
  expect(reaches('example.com', 'example.com', 80)).toBe(true)
  expect(reaches('example.com', 'example.com', 22)).toBe(false)
  expect(reaches('example.com:22', 'example.com', 22)).toBe(true)
  expect(reaches('example.com:22', 'example.com', 443)).toBe(false)
})

test('matchesHost() reads a missing port as every port where it forbids', () => {
  const host = canonicalHost('example.com')
  if (host === undefined) throw new Error('Not a host')
  expect(matchesHost(pattern('example.com'), { host, port: 22 }, 'any_port')).toBe(true)
})

test.each([
  ['*.example.com', 'a.example.com', true],
  ['*.example.com', '*.b.example.com', true],
  ['*.b.example.com', '*.example.com', false],
  ['a.example.com', '*.example.com', false],
  ['*.example.com', 'example.com', false],
  ['*.example.com', '*.example.com', true],
  ['example.com', 'example.com:443', true],
  ['example.com', 'example.com:22', false],
  ['example.com:443', 'example.com', false],
])('permitsAll(%j, %j) is %s', (outer, inner, expected) => {
  expect(permitsAll(pattern(outer), pattern(inner))).toBe(expected)
})
