/** Whatever bytes come, nothing throws, nothing stays open, and nothing is dialled that is not listed. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readHello } from '../../src/sandbox/egress/client-hello.ts'
import { readGreeting, readRequest } from '../../src/sandbox/egress/socks.ts'
import { listOf, testInternet, type TestInternet } from '../helpers/test-internet.ts'

const SEED = 20_261_122
const CONNECTIONS = 400
const BUFFERS = 20_000
const BUDGET_MS = 4_000

let internet: TestInternet
beforeAll(async () => {
  internet = await testInternet()
})
afterAll(() => internet[Symbol.asyncDispose]())

const SEEDS: readonly Buffer[] = [
  'GET http://allowed.test/a HTTP/1.1\r\nHost: allowed.test\r\n\r\n',
  'POST http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
  'POST http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nContent-Length: 3\r\n\r\nabc',
  'CONNECT allowed.test:443 HTTP/1.1\r\nHost: allowed.test:443\r\n\r\n',
  'CONNECT allowed.test:80 HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: allowed.test\r\n\r\n',
  '\x05\x01\x00\x05\x01\x00\x03\x0callowed.test\x01\xbb',
  '\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50',
  `\x16\x03\x01\x00\x3e\x01\x00\x00\x3a\x03\x03${'r'.repeat(32)}\x00\x00\x02\x13\x01\x01\x00\x00\x0f\x00\x00\x00\x0b\x00\x09\x00\x00\x06a.test`,
].map((text) => Buffer.from(text, 'latin1'))

test('readHello(), readGreeting() and readRequest() take any bytes', () => {
  const random = sequence(SEED)
  const until = performance.now() + BUDGET_MS
  for (let i = 0; i < BUFFERS && performance.now() < until; i++) {
    const bytes = mutant(random)
    expect(() => [readHello(bytes), readGreeting(bytes), readRequest(bytes)]).not.toThrow()
  }
  const whole = SEEDS.at(-1) ?? Buffer.alloc(0)
  expect(readHello(whole)).toMatchObject({ kind: 'hello', name: 'a.test' })
  for (let cut = 0; cut < whole.length; cut++)
    expect(readHello(whole.subarray(0, cut)).kind).toBe('more')
})

test('a door survives any bytes, and dials only what is listed', async () => {
  const random = sequence(SEED)
  const limits = { headMs: 200, helloMs: 200, idleMs: 200, connectionMs: 500 }
  const door = internet.door(listOf('network: { allow: [allowed.test] }'), limits)
  const port = await internet.listen(door)
  const until = performance.now() + BUDGET_MS
  for (let i = 0; i < CONNECTIONS && performance.now() < until; i += 20)
    await Promise.all(Array.from({ length: 20 }, () => closed(sent(port, mutant(random)))))
  await door.settled(2_000)
  expect(new Set(internet.dialled)).toEqual(new Set(['20.0.0.1:80', '20.0.0.1:443']))
  expect(internet.arrived.every((line) => line.includes(' allowed.test '))).toBe(true)
  // Still of use to whoever comes next.
  const good = sent(port, SEEDS[0] ?? Buffer.alloc(0))
  const [answer] = await once(good, 'data')
  expect(String(answer)).toMatch(/^HTTP\/1.1 200/)
})

function closed(socket: Socket): Promise<void> {
  return new Promise((done) => void socket.once('close', () => done()))
}

function sent(port: number, bytes: Buffer) {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.on('error', () => {}).resume()
  const half = bytes.length >> 1
  socket.write(bytes.subarray(0, half), () => socket.write(bytes.subarray(half)))
  return socket
}

/** A seed with some of its bytes changed, cut out, doubled or put elsewhere. */
function mutant(random: () => number): Buffer {
  let bytes = Buffer.from(SEEDS[random() % SEEDS.length] ?? Buffer.alloc(0))
  for (let count = random() % 5; count > 0; count--) {
    const at = random() % (bytes.length + 1)
    const kind = random() % 4
    if (kind === 0 && at < bytes.length) bytes[at] = random() & 0xff
    else if (kind === 1)
      bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + (random() % 8))])
    else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), bytes])
    else
      bytes = Buffer.concat([
        bytes.subarray(0, at),
        Buffer.from([random() & 0xff, 13, 10]),
        bytes.subarray(at),
      ])
  }
  return bytes
}

/** xorshift32 */
function sequence(seed: number): () => number {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}
