import { expect, test } from 'vitest'
import { looksLikeUrl, parseRepoUrl } from './repo-url.ts'

test.each([
  ['https://git.example.org/a/b.git', 'https://git.example.org/a/b.git', 443],
  ['https://GIT.example.org./a/', 'https://git.example.org/a', 443],
  ['https://git.example.org:8443/a', 'https://git.example.org:8443/a', 8443],
  ['ssh://git.example.org/a.git', 'ssh://git@git.example.org/a.git', 22],
  ['ssh://me@git.example.org:2222/a', 'ssh://me@git.example.org:2222/a', 2222],
  ['git@git.example.org:team/a.git', 'ssh://git@git.example.org/team/a.git', 22],
  ['https://[2001:db8::1]/a', 'https://[2001:db8::1]/a', 443],
])('parseRepoUrl() takes %s', (text, spelling, port) => {
  expect(parseRepoUrl(text)).toMatchObject({ text: spelling, port })
  expect(looksLikeUrl(text)).toBe(true)
})

test.each([
  ['file:///etc'],
  ['http://git.example.org/a'],
  ['git://git.example.org/a'],
  ['ext::sh -c touch% /tmp/x'],
  ['ssh://-oProxyCommand=x/a'],
  ['ssh://-oProxyCommand=x@git.example.org/a'],
  ['https://user@git.example.org/a'],
  ['https://user:word@git.example.org/a'],
  ['ssh://user:word@git.example.org/a'],
  ['https://git.example.org'],
  ['https://git.example.org/'],
  ['https://git.example.org//a'],
  ['https://git.example.org/-x'],
  ['https://git.example.org/a?x=1'],
  ['https://git.example.org/a#b'],
  ['https://git.example.org/a%00b'],
  ['https://git.example.org/%2e%2e/b'],
  ['https://git.example.org/a b'],
  ['https://git exa.org/a'],
  ['https://exa\u0000mple.org/a'],
  ['ssh://git@git.example.org/a/../../b;x'],
  ["ssh://git.example.org/a'b"],
  ['ssh://git.example.org/$(x)'],
  ['--upload-pack=touch'],
  ['git@-host:a'],
  ['/srv/app'],
  ['https://127.1/a\n'],
])('parseRepoUrl() refuses %j', (text) => {
  expect(() => parseRepoUrl(text)).toThrow('Cannot use repository')
})

test('parseRepoUrl() repeats no password', () => {
  const refused = () => parseRepoUrl('https://ada:4711@git.example.org/a')
  expect(refused).toThrow('"https://…@git.example.org/a"')
})

test('parseRepoUrl() reads a number as the address that would be connected to', () => {
  expect(parseRepoUrl('https://127.1/a').host).toBe('127.0.0.1')
  expect(parseRepoUrl('https://2852039166/a').host).toBe('169.254.169.254')
})

test.each(['/srv/app', './app', 'app', 'C:/x', '../a@b/c'])(
  'looksLikeUrl() leaves %s a path',
  (text) => expect(looksLikeUrl(text)).toBe(false),
)
