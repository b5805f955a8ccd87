/** Requests that are meant to hurt: from pages, from far away, too large, too slow, too deep. */
import { connect } from 'node:net'
import { request } from 'node:http'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { RUN_BODY_BYTES_MAX } from '../../src/api/route-table.ts'
import { SERVER_LIMITS } from '../../src/api/server.ts'
import { ErrorAnswer } from '../../src/schema/index.ts'
import { type TestServer, testServer } from '../helpers/server.ts'

let server: TestServer
beforeAll(async () => {
  server = await testServer({ allowedOrigins: ['https://ci.example.com'] })
})
afterAll(() => server[Symbol.asyncDispose]())

const RUN = { repo: { path: '/nowhere' }, command: ['true'] }

/** By hand, because `fetch` does not let a program lie about where it asks. */
async function raw(headers: Record<string, string>, path = '/v1/runs'): Promise<number> {
  return await new Promise((resolve, reject) => {
    const sent = request(`${server.url}${path}`, {
      headers: { authorization: `Bearer ${server.admin}`, ...headers },
    })
    sent.on('response', (answer) => {
      answer.resume()
      resolve(answer.statusCode ?? 0)
    })
    sent.on('error', reject)
    sent.end()
  })
}

test.each([
  ['a name that points here', 'attacker.example', 403],
  ['a name with a port', 'attacker.example:7333', 403],
  ['a name that begins like a known one', 'localhost.attacker.example', 403],
  ['an address that is not listened on', '10.0.0.1', 403],
  ['nonsense', 'a b', 400],
  ['the loopback name', 'localhost:1', 200],
  ['the loopback address', '127.0.0.1', 200],
  ['the loopback address of the other family', '[::1]:7333', 200],
])('a request whose Host is %s is answered as it should', async (_what, host, status) => {
  expect(await raw({ host })).toBe(status)
})

test('a request of a page is refused unless the page was named', async () => {
  for (const origin of ['https://attacker.example', 'null', server.url, 'https://ci.example.com.a'])
    expect(await raw({ origin }), origin).toBe(403)
  expect(await raw({ origin: 'https://ci.example.com' })).toBe(200)
  expect(await raw({})).toBe(200)
})

test('public routes check where a request comes from, too', async () => {
  expect(await raw({ host: 'attacker.example' }, '/health')).toBe(403)
  expect(await raw({ authorization: '' }, '/health')).toBe(200)
})

test('what a page can send without being asked is no body of a request', async () => {
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data'])
    expect(await refusal(JSON.stringify(RUN), { 'content-type': type })).toBe('bad_request')
})

async function refusal(body: string, headers: Record<string, string> = {}): Promise<string> {
  const answer = await server.ask('/v1/runs', { method: 'POST', body, headers })
  return ErrorAnswer.parse(await answer.json()).error.code
}

test('a body that is too large is refused before it is read, however it is sent', async () => {
  const huge = JSON.stringify({ ...RUN, task: 'a'.repeat(RUN_BODY_BYTES_MAX) })
  expect(await refusal(huge)).toBe('too_large')
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(64 * 1024).fill(32)),
  })
  const endless = fetch(`${server.url}/v1/runs`, {
    method: 'POST',
    body,
    duplex: 'half',
    headers: { authorization: `Bearer ${server.admin}`, 'content-type': 'application/json' },
  } as RequestInit)
  // The server answers and hangs up; which of the two a client sees first is its own matter.
  const status = await endless.then(
    (answer) => answer.status,
    () => 413,
  )
  expect(status).toBe(413)
})

test('a packed body is not unpacked', async () => {
  const bomb = gzipSync(Buffer.alloc(50_000_000, 32))
  const answer = await fetch(`${server.url}/v1/runs`, {
    method: 'POST',
    body: new Uint8Array(bomb),
    headers: {
      authorization: `Bearer ${server.admin}`,
      'content-type': 'application/json',
      'content-encoding': 'gzip',
    },
  })
  expect(answer.status).toBe(400)
})

test.each([
  ['nesting without end', `{"repo":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
  ['objects without end', `{"policy":${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}}`],
  ['a prototype', JSON.stringify(RUN).replace('{', '{"__proto__":{"admin":true},')],
  ['a constructor', JSON.stringify(RUN).replace('{', '{"inputs":{"constructor":"x"},')],
  ['an unknown key', JSON.stringify({ ...RUN, privileged: true })],
  ['a repository as text', JSON.stringify({ ...RUN, repo: '/etc' })],
  ['a blueprint of the server', JSON.stringify({ ...RUN, blueprint: '/etc/passwd.yaml' })],
  ['an option as a ref', JSON.stringify({ ...RUN, repo: { path: '/r', ref: '--upload-pack=x' } })],
  ['half of it', '{"repo":'],
  ['nothing', ''],
])('a body with %s is a bad request and nothing else', async (_what, body) => {
  expect(await refusal(body)).toBe('bad_request')
  expect(server.logged).toEqual([])
  expect(Object.prototype).not.toHaveProperty('admin')
})

const NAUGHTY = [
  "' OR 1=1 --",
  '%00',
  '..%2f..%2fetc%2fpasswd',
  '%2e%2e/%2e%2e',
  '${7*7}',
  '{{7*7}}',
  '<script>',
  '%E2%80%AE',
  '%F0%9F%92%A9',
  '%ff%fe',
  'a'.repeat(2000),
  '%0d%0aset-cookie:%20a=b',
]

test('naughty strings in addresses are refused as what they are', async () => {
  for (const text of NAUGHTY)
    for (const path of [`/v1/runs/${text}`, `/v1/runs?before=${text}`, `/v1/tokens/${text}`]) {
      const method = path.startsWith('/v1/tokens') ? 'DELETE' : 'GET'
      const answer = await server.ask(path, { method })
      expect([400, 404], path).toContain(answer.status)
      expect(answer.headers.get('set-cookie')).toBeNull()
    }
  expect(server.logged).toEqual([])
})

/** Bytes that never become a request; gives back how long the server put up with them. */
async function slow(
  { url }: TestServer,
  first: string,
  drip: string,
): Promise<{ ms: number; answer: string }> {
  const { port } = new URL(url)
  const started = performance.now()
  return await new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(first))
    let answer = ''
    const timer = setInterval(() => socket.write(drip), 40)
    socket.on('data', (data: Buffer) => (answer += data.toString()))
    socket.on('error', () => {})
    socket.on('close', () => {
      clearInterval(timer)
      resolve({ ms: performance.now() - started, answer })
    })
    setTimeout(() => reject(new Error('The server waits for ever')), 20_000).unref()
  })
}

test('whoever sends headers or a body drop by drop is hung up on, and others are answered', async () => {
  const limits = { ...SERVER_LIMITS, headersMs: 1000, requestMs: 1500, checkMs: 50 }
  await using hasty = await testServer({ limits })
  const head = `POST /v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${hasty.admin}\r\n`
  const attacks = [
    slow(hasty, 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n', 'X-A: b\r\n'),
    slow(hasty, `${head}Content-Type: application/json\r\nContent-Length: 9999\r\n\r\n{`, ' '),
  ]
  expect((await hasty.ask('/v1/health')).status).toBe(200)
  for (const { answer } of await Promise.all(attacks))
    expect(answer).toMatch(/^(?:HTTP\/1.1 40[08]|$)/)
})
