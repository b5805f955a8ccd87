import { expect, test } from 'vitest'
import { soundsOffline } from './network-hint.ts'

test.each([
  'curl: (6) Could not resolve host: a.test',
  'ping: a.test: Temporary failure in name resolution',
  'W: Failed to fetch x  Temporary failure resolving a.test',
  'Error: getaddrinfo EAI_AGAIN a.test',
  'connect ENETUNREACH 20.0.0.1:443',
  'bash: connect: Network is unreachable',
  'java.net.UnknownHostException: a.test',
  'dial tcp: lookup a.test: no such host',
])('soundsOffline() knows "%s"', (line) => {
  expect(soundsOffline(['', `before\n${line}\nafter\n`])).toBe(true)
})

test('soundsOffline() looks at the end only, and at nothing that just failed', () => {
  expect(soundsOffline(['1 test failed\nAssertionError: expected 1 to be 2\n'])).toBe(false)
  const old = `Could not resolve host\n${'x'.repeat(9000)}`
  expect(soundsOffline([old])).toBe(false)
})
