import { expect, test } from 'vitest'
import { remoteAddress } from './remote-address.ts'

const at = (peer: string | undefined, forwarded?: string, proxies: string[] = []) =>
  remoteAddress(peer, { forwarded, proxies })

test('remoteAddress() is the peer, whatever it says of itself', () => {
  expect(at('192.0.2.1')).toBe('192.0.2.1')
  expect(at('::ffff:192.0.2.1')).toBe('192.0.2.1')
  expect(at('192.0.2.1', '10.0.0.1')).toBe('192.0.2.1')
  expect(at(undefined)).toBe('')
})

test('remoteAddress() believes a proxy that was named, and its last word alone', () => {
  const proxies = ['127.0.0.1', '192.0.2.9']
  expect(at('127.0.0.1', '1.1.1.1, 198.51.100.7', proxies)).toBe('198.51.100.7')
  expect(at('127.0.0.1', '1.1.1.1, 198.51.100.7, 192.0.2.9', proxies)).toBe('198.51.100.7')
  expect(at('127.0.0.1', undefined, proxies)).toBe('127.0.0.1')
  expect(at('127.0.0.1', 'nonsense', proxies)).toBe('127.0.0.1')
  expect(at('198.51.100.1', '1.1.1.1', proxies)).toBe('198.51.100.1')
})

test('remoteAddress() counts all addresses of one IPv6 network as one', () => {
  expect(at('2001:db8::1')).toBe('2001:db8:0:0::/64')
  expect(at('2001:0db8:0:0:ffff::1')).toBe('2001:db8:0:0::/64')
  expect(at('2001:db8:0:1::1')).toBe('2001:db8:0:1::/64')
  expect(at('::1')).toBe('0:0:0:0::/64')
})
