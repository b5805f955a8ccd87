/** The gateway over plain sockets: what it passes on, what it refuses, and that it survives. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { EgressDoor } from '../../src/sandbox/egress/door.ts'
import { ADDRESS, listOf, testInternet, type TestInternet } from '../helpers/test-internet.ts'

const LIST = listOf(`network:
  allow: [allowed.test, "*.allowed.test", "allowed.test:7", "20.0.0.2:7", "moving.test", "private.test",
    { host: api.allowed.test, methods: [GET], paths: ["/v1/**"] }, { host: "any.test", tls: any }, { host: named.test, addresses: [10.0.0.0/8] }]
  deny: [deny.allowed.test]`)

let internet: TestInternet
let door: EgressDoor
let port: number

beforeAll(async () => {
  internet = await testInternet()
  internet.names.set('private.test', () => ['10.0.0.7'])
  internet.names.set('named.test', () => ['10.0.0.7'])
  internet.names.set('any.test', () => [ADDRESS.allowed])
  internet.names.set('sub.allowed.test', () => [ADDRESS.allowed])
  const moving = [['20.0.0.1'], ['127.0.0.1'], ['169.254.169.254']]
  internet.names.set('moving.test', () => moving.shift() ?? ['127.0.0.1'])
  const { routes } = internet
  routes.set('10.0.0.7:80', routes.get('20.0.0.1:80') ?? 0)
  door = internet.door(LIST, { headMs: 1_500, helloMs: 500 })
  port = await internet.listen(door)
})
afterAll(() => internet[Symbol.asyncDispose]())
beforeEach(async () => {
  await internet.idle()
  for (const list of [internet.dialled, internet.asked, internet.arrived, internet.records])
    list.length = 0
})

function open(allowHalfOpen = false): Socket {
  return connect({ port, host: '127.0.0.1', allowHalfOpen }).on('error', () => {})
}

/** Sends bytes, and gives everything that comes back until the door ends the connection. */
async function say(...parts: (string | Buffer)[]): Promise<string> {
  const socket = open()
  const heard: Buffer[] = []
  socket.on('data', (chunk: Buffer) => heard.push(chunk))
  for (const part of parts) socket.write(part)
  await new Promise<void>((done) => socket.once('end', done).once('close', () => done()))
  socket.destroy()
  return Buffer.concat(heard).toString('latin1')
}

const get = (url: string, more = '') =>
  say(`GET ${url} HTTP/1.1\r\nHost: ${new URL(url).host}\r\n${more}Connection: close\r\n\r\n`)

/** A tunnel that was granted. */
async function tunnel(authority: string, allowHalfOpen = false): Promise<Socket> {
  const socket = open(allowHalfOpen)
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`)
  const [head] = await once(socket, 'data')
  expect(String(head)).toMatch(/^HTTP\/1.1 200 /)
  return socket
}

test('a request in absolute form reaches the host that is listed, and is recorded', async () => {
  const answer = await get(
    'http://allowed.test/a?b=c',
    'X-Mine: 1\r\nProxy-Authorization: secret\r\n',
  )
  expect(answer).toMatch(/^HTTP\/1.1 200 OK/)
  expect(answer).toContain('"x-mine":"1"')
  expect(answer).not.toContain('secret')
  expect(internet.arrived).toEqual(['http GET allowed.test /a?b=c'])
  expect(internet.records).toEqual([
    expect.objectContaining({
      host: 'allowed.test',
      port: 80,
      outcome: 'allowed',
      rule: 'network.allow: allowed.test',
      via: 'http',
    }),
  ])
  expect(internet.records[0]?.bytesIn).toBeGreaterThan(100)
})

test('a body goes through, chunked or not', async () => {
  const head = 'POST http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nConnection: close\r\n'
  expect(await say(`${head}Content-Length: 5\r\n\r\nhello`)).toContain('"body":"hello"')
  const chunked = await say(
    `${head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`,
  )
  expect(chunked).toContain('"body":"abcde"')
})

test('a connection serves one request to one authority; inside a tunnel it may be many', async () => {
  const first = 'GET http://allowed.test/1 HTTP/1.1\r\nHost: allowed.test\r\n\r\n'
  const second = 'GET http://other.test/2 HTTP/1.1\r\nHost: other.test\r\n\r\n'
  const answer = await say(first, second)
  expect(answer.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 200'])
  expect(answer).toContain('Connection: close')
  const socket = await tunnel('allowed.test:80')
  const heard: string[] = []
  socket.on('data', (chunk: Buffer) => heard.push(chunk.toString()))
  const inside = 'GET /3 HTTP/1.1\r\nHost: allowed.test\r\n'
  socket.write(`${inside}\r\n${inside}Connection: close\r\n\r\n`)
  await closed(socket)
  expect(heard.join('').match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200'])
  expect(internet.arrived).toHaveLength(3)
})

test('a denial comes at once and names host, rule and the line to add', async () => {
  const before = performance.now()
  const answer = await get('http://evil.test/')
  expect(performance.now() - before).toBeLessThan(500)
  expect(answer).toMatch(/^HTTP\/1.1 403 Denied by policy: evil.test:80 \(builtin:host-unlisted\)/)
  expect(answer).toContain('to change that: Add to network.allow: "evil.test"')
  expect(internet.asked).toEqual([])
  expect(internet.dialled).toEqual([])
  expect(internet.records).toMatchObject([{ host: 'evil.test', outcome: 'denied' }])
})

test('a tunnel passes TLS that names the host', async () => {
  const socket = await tunnel('allowed.test:443')
  const tls = connectTls({ socket, servername: 'allowed.test', rejectUnauthorized: false })
  tls.write('GET / HTTP/1.1\r\nHost: allowed.test\r\nConnection: close\r\n\r\n')
  const heard: string[] = []
  tls.on('data', (chunk: Buffer) => heard.push(chunk.toString()))
  await once(tls, 'end')
  expect(heard.join('')).toContain('"scheme":"https"')
  await closed(socket)
})

test.each([
  ['another name', { servername: 'other.test' }],
  ['no name', { servername: '' }],
])('a tunnel to port 443 does not pass TLS with %s', async (_, options) => {
  const socket = await tunnel('allowed.test:443')
  const tls = connectTls({ socket, ...options, rejectUnauthorized: false }).on('error', () => {})
  await closed(tls)
  expect(internet.arrived).toEqual([])
  expect(internet.records).toMatchObject([{ outcome: 'denied', rule: 'builtin:tls-sni' }])
})

test('a tunnel to port 443 passes nothing but TLS, and waits no longer than it must', async () => {
  const wrong = await tunnel('allowed.test:443')
  wrong.write('SSH-2.0-x\r\n')
  await closed(wrong)
  const silent = await tunnel('allowed.test:443')
  await closed(silent)
  expect(internet.records.filter(({ rule }) => rule === 'builtin:tls')).toHaveLength(2)
})

test('an entry with tls: any lets other things pass on port 443', async () => {
  const socket = await tunnel('any.test:443')
  const tls = connectTls({ socket, servername: '', rejectUnauthorized: false })
  await once(tls, 'secureConnect')
  tls.destroy()
  socket.destroy()
  await internet.idle()
})

test('a tunnel on another port is half-closed in each direction alone', async () => {
  const socket = await tunnel('allowed.test:7', true)
  socket.end('all of it')
  const heard: string[] = []
  socket.on('data', (chunk: Buffer) => heard.push(chunk.toString()))
  await once(socket, 'end')
  expect(heard.join('')).toBe('all of it')
})

test('a tunnel to port 80 is read as HTTP to that host alone', async () => {
  const good = await tunnel('allowed.test:80')
  good.write('GET /x HTTP/1.1\r\nHost: allowed.test\r\nConnection: close\r\n\r\n')
  const [answer] = await once(good, 'data')
  expect(String(answer)).toContain('200 OK')
  const bad = await tunnel('allowed.test:80')
  bad.write('GET /x HTTP/1.1\r\nHost: other.test\r\n\r\n')
  expect(String((await once(bad, 'data'))[0])).toContain('403 Denied')
  bad.destroy()
  expect(internet.arrived).toEqual(['http GET allowed.test /x'])
})

test('a host with conditions is decided request by request', async () => {
  internet.names.set('api.allowed.test', () => [ADDRESS.allowed])
  const strict = internet.door(
    listOf('network: { allow: [{ host: api.allowed.test, methods: [GET], paths: ["/v1/**"] }] }'),
  )
  const at = await internet.listen(strict)
  const ask = async (line: string) => {
    const answer = await fetchVia(
      at,
      `${line} HTTP/1.1\r\nHost: api.allowed.test\r\nConnection: close\r\n\r\n`,
    )
    return answer.slice(9, 12)
  }
  expect(await ask('GET http://api.allowed.test/v1/x')).toBe('200')
  expect(await ask('GET http://api.allowed.test/v2/x')).toBe('403')
  expect(await ask('DELETE http://api.allowed.test/v1/x')).toBe('403')
  // Inside of TLS nothing could be decided.
  expect(await ask('CONNECT api.allowed.test:443')).toBe('403')
})

/** However it came about. */
function closed(socket: Duplex): Promise<void> {
  return new Promise((done) => {
    socket.on('error', () => {}).once('close', done)
    if (socket.closed) done()
  })
}

async function fetchVia(at: number, bytes: string): Promise<string> {
  const socket = connect({ port: at, host: '127.0.0.1' }).on('error', () => {})
  socket.write(bytes)
  const heard: Buffer[] = []
  socket.on('data', (chunk: Buffer) => heard.push(chunk))
  await closed(socket)
  return Buffer.concat(heard).toString('latin1')
}

test('names are resolved once, every answer is classified, and a changed answer changes nothing', async () => {
  expect(await get('http://moving.test/')).toMatch(/^HTTP\/1.1 200/)
  expect(internet.asked).toEqual(['moving.test'])
  expect(await get('http://moving.test/')).toContain('builtin:address')
  expect(await get('http://moving.test/')).toContain('builtin:address')
  expect(internet.dialled).toEqual(['20.0.0.1:80'])
  expect(await get('http://private.test/')).toContain('addresses: ["10.0.0.7"]')
  expect(await get('http://named.test/')).toMatch(/^HTTP\/1.1 200/)
})

test('SOCKS 5 resolves names on this side and refuses by its own codes', async () => {
  const ask = (name: string | Buffer, to: number) => {
    const bytes = Buffer.from(name)
    const head = Buffer.from([5, 1, 0, 5, 1, 0, 3, bytes.length])
    return Buffer.concat([head, bytes, Buffer.from([to >> 8, to & 255])])
  }
  const granted = open(true)
  granted.end(Buffer.concat([ask('allowed.test', 7), Buffer.from('ping')]))
  const heard: Buffer[] = []
  granted.on('data', (chunk: Buffer) => heard.push(chunk))
  await once(granted, 'end')
  expect(Buffer.concat(heard).toString('latin1')).toBe(
    '\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00ping',
  )
  expect((await say(ask('evil.test', 443))).charCodeAt(3)).toBe(2)
  expect((await say(ask('evil.test\0.allowed.test', 443))).charCodeAt(3)).toBe(2)
  expect((await say(Buffer.from([5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, 0, 80]))).charCodeAt(3)).toBe(2)
  expect((await say(Buffer.from([5, 1, 0, 5, 2, 0, 1, 127, 0, 0, 1, 0, 80]))).charCodeAt(3)).toBe(7)
  expect((await say(Buffer.from([5, 1, 2]))).charCodeAt(1)).toBe(0xff)
})

test('a literal address needs an entry of its own', async () => {
  const socket = await tunnel('20.0.0.2:7')
  socket.destroy()
  expect(await say('CONNECT 20.0.0.1:443 HTTP/1.1\r\n\r\n')).toContain('403')
  expect(internet.dialled).toEqual(['20.0.0.2:7'])
})

test('a list that comes later cuts what the one before had opened, and none shuts the door', async () => {
  const other = internet.door(LIST)
  const at = await internet.listen(other)
  const socket = connect({ port: at, host: '127.0.0.1' }).on('error', () => {})
  socket.write('CONNECT allowed.test:7 HTTP/1.1\r\n\r\n')
  await once(socket, 'data')
  other.use(listOf('network: { allow: [other.test] }'))
  await closed(socket)
  expect(
    await fetchVia(at, 'GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\n\r\n'),
  ).toContain('403')
  other.use(undefined)
  expect(await fetchVia(at, 'GET http://other.test/ HTTP/1.1\r\nHost: other.test\r\n\r\n')).toBe('')
})

test('connections, bytes and time are limited', async () => {
  const small = internet.door(LIST, { connectionsMax: 2, bytesMax: 100_000, headMs: 300 })
  const at = await internet.listen(small)
  const start = () => connect({ port: at, host: '127.0.0.1' }).on('error', () => {})
  const slow = [start(), start()]
  await Promise.all(slow.map((socket) => once(socket, 'connect')))
  for (const socket of slow) socket.write('GET http://allowed.test/ HTTP/1.1\r\n')
  await closed(start())
  await Promise.all(slow.map((socket) => closed(socket)))
  const flood = start()
  flood.write('CONNECT allowed.test:7 HTTP/1.1\r\n\r\n')
  await once(flood, 'data')
  flood.on('data', () => {}).write(Buffer.alloc(200_000))
  await closed(flood)
})

test('a slow reader holds the host back, not the memory up', async () => {
  const total = 64 * 1024 * 1024
  let sent = 0
  const source = await internet.listenTcp((socket) => {
    const chunk = Buffer.alloc(65_536)
    const more = () => {
      while (sent < total && socket.write(chunk)) sent += chunk.length
    }
    socket.on('drain', more)
    more()
  })
  internet.routes.set('20.0.0.2:7', source)
  const socket = await tunnel('20.0.0.2:7')
  socket.pause()
  await new Promise((done) => setTimeout(done, 300))
  expect(sent).toBeLessThan(total / 2)
  socket.destroy()
})
