import { isIP } from 'node:net'

/**
 * Who a request came from, as a key to count by. Behind a proxy that the operator named it is what
 * the proxy says, which is the last entry of `X-Forwarded-For`: the ones before anybody can write.
 */
export function remoteAddress(
  peer: string | undefined,
  { forwarded, proxies }: { forwarded: string | undefined; proxies: readonly string[] },
): string {
  let address = plain(peer ?? '')
  const told = (forwarded ?? '').slice(-FORWARDED_CHARS_MAX).split(',').map(plain)
  while (proxies.includes(address)) {
    const next = told.pop()
    if (next === undefined || isIP(next) === 0) break
    address = next
  }
  return isIP(address) === 6 ? network(address) : address
}

const FORWARDED_CHARS_MAX = 1024

function plain(text: string): string {
  return (
    text
      .trim()
      .toLowerCase()
      .replace(/^::ffff:(?=\d+\.)/, '')
      .split('%')[0] ?? ''
  )
}

/** Whoever has one address of IPv6 has 2^64 of them: the first half counts. */
function network(address: string): string {
  const [head = '', tail] = address.split('::')
  const before = head.split(':').filter((word) => word !== '')
  const after = tail === undefined ? [] : tail.split(':').filter((word) => word !== '')
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length)
  const words = [...before, ...Array.from({ length: zeros }, () => '0'), ...after]
  return `${words
    .slice(0, 4)
    .map((word) => Number.parseInt(word, 16).toString(16))
    .join(':')}::/64`
}
