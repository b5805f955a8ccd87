/** Secrets and requests inside TLS at the gateway: what reaches which host, and what comes back. */
import { once } from 'node:events'
import { connect } from 'node:net'
import {
  connect as connectTls,
  type ConnectionOptions,
  createServer as createTlsServer,
  type TLSSocket,
} from 'node:tls'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createRedactor } from '../../src/events/index.ts'
import type { RunSide } from '../../src/sandbox/egress/door.ts'
import { createRunAuthority } from '../../src/sandbox/egress/run-authority.ts'
import { type Bank, openBank } from '../helpers/bank.ts'
import { listOf, testInternet, type TestInternet } from '../helpers/test-internet.ts'

const VALUE = 'tok-9f8e7d6c5b4a39281706'
const PLACEHOLDER = 'openexec-secret-BANK-0123456789abcdef0123456789abcdef'
const POLICY = `
network:
  allow: [bank.test, stranger.test, expired.test, elsewhere.test, other.test, "bank.test:8443", allowed.test,
    { host: some.test, methods: [GET], paths: ["/v1/**"] }]
secrets:
  - { name: BANK, from: env, hosts: [bank.test, "bank.test:8443", stranger.test, expired.test, elsewhere.test], as: { header: Authorization, format: "Bearer {}" } }
  - { name: KEY, from: env, hosts: [allowed.test], plain_http: true, as: { header: X-Key } }
`
const secrets = [
  { name: 'BANK', value: VALUE, placeholder: PLACEHOLDER },
  { name: 'KEY', value: 'key-0011223344556677', placeholder: PLACEHOLDER.replace('BANK', 'KEY') },
]
const LIST = listOf(POLICY)
const names = [
  'bank.test',
  'stranger.test',
  'expired.test',
  'elsewhere.test',
  'allowed.test',
  'some.test',
]
const redactor = createRedactor(secrets)
const newSide = (): RunSide & { authority: object } => ({
  authority: createRunAuthority({ names, now: Date.now, validMs: 3_600_000 }),
  credentials: { secrets, mask: () => redactor.mask() },
})
const side = newSide()

let internet: TestInternet
let bank: Bank
let port: number

beforeAll(async () => {
  internet = await testInternet()
  bank = await openBank(internet)
  internet.names.set('some.test', () => ['20.0.1.1'])
  port = await internet.listen(internet.door(LIST, { headMs: 3_000, helloMs: 3_000 }, side))
})
afterAll(async () => {
  await bank[Symbol.asyncDispose]()
  await internet[Symbol.asyncDispose]()
})
beforeEach(() => {
  for (const list of [bank.arrived, internet.records, internet.arrived]) list.length = 0
})

/** TLS through a tunnel of the door, trusting the authority of the run. */
async function secure(host: string, more: ConnectionOptions = {}, at = 443): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.write(`CONNECT ${host}:${at} HTTP/1.1\r\nHost: ${host}:${at}\r\n\r\n`)
  const [head] = await once(socket, 'data')
  expect(String(head)).toMatch(/^HTTP\/1.1 200 /)
  const ca = side.authority?.certificate
  const tls = connectTls({
    socket,
    servername: host,
    ca,
    ALPNProtocols: ['h2', 'http/1.1'],
    ...more,
  })
  await once(tls, 'secureConnect')
  return tls.on('error', () => {})
}

/** Everything that comes back for some bytes, until the other side ends. */
async function say(stream: NodeJS.ReadWriteStream, ...parts: (string | Buffer)[]): Promise<string> {
  const heard: Buffer[] = []
  stream.on('data', (chunk: Buffer) => heard.push(chunk))
  for (const part of parts) stream.write(part)
  await new Promise<void>((done) => stream.once('end', done).once('close', () => done()))
  return Buffer.concat(heard).toString('latin1')
}

const get = (host: string, path: string, ...headers: string[]) =>
  [`GET ${path} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...headers, '', ''].join('\r\n')
const ask = async (host: string, path: string, ...headers: string[]) =>
  await say(await secure(host), get(host, path, ...headers))

test('a request without a login gets the secret, and is answered without it', async () => {
  const answer = await ask('bank.test', '/balance')
  expect(bank.arrived).toEqual([
    { host: 'bank.test', url: '/balance', login: `Bearer ${VALUE}`, key: '', body: '' },
  ])
  expect(answer).toMatch(/^HTTP\/1.1 200 /)
  expect(answer).toContain(`you said Bearer ${'*'.repeat(VALUE.length)};`)
  expect(answer.toLowerCase()).toContain(`x-said: bearer ${'*'.repeat(VALUE.length)}`)
  for (const shape of [
    VALUE,
    Buffer.from(VALUE).toString('hex'),
    Buffer.from(`r ${VALUE}`).toString('base64').slice(4, -4),
  ])
    expect(answer).not.toContain(shape)
  await internet.idle()
  expect(internet.records).toMatchObject([
    { host: 'bank.test', port: 443, outcome: 'allowed', secrets: ['BANK'] },
  ])
  expect(JSON.stringify(internet.records)).not.toContain(VALUE)
})

test.each([
  ['as it is', PLACEHOLDER],
  ['as Bearer', `Bearer ${PLACEHOLDER}`],
  ['as a login', `Basic ${Buffer.from(`git:${PLACEHOLDER}`).toString('base64')}`],
  ['with percent signs', PLACEHOLDER.replaceAll('-', '%2D')],
])('a login that holds the placeholder %s becomes what the binding says', async (_, login) => {
  await ask('bank.test', '/', `authorization: ${login}`, `AUTHORIZATION: again ${PLACEHOLDER}`)
  expect(bank.arrived.map((one) => one.login)).toEqual([`Bearer ${VALUE}`])
})

test('a login of the program itself is left alone', async () => {
  await ask('bank.test', '/', 'Authorization: Bearer mine')
  expect(bank.arrived.map(({ login }) => login)).toEqual(['Bearer mine'])
})

test('an answer in pieces of a byte does not show the secret', async () => {
  const answer = await ask('bank.test', '/slow')
  expect(answer.replaceAll(/[\r\n]|^[0-9a-f]+$/gm, '')).not.toContain(VALUE.slice(0, 12))
  expect(answer.match(/\*/g)?.length).toBe(2 * VALUE.length)
})

test('another port that is bound gets it too, and several requests share a connection', async () => {
  const stream = await secure('bank.test', {}, 8443)
  const first = get('bank.test:8443', '/1').replace('Connection: close\r\n', '')
  const answer = await say(stream, first, get('bank.test:8443', '/2'))
  expect(answer.match(/HTTP\/1.1 200/g)).toHaveLength(2)
  expect(bank.arrived.map(({ url, login }) => [url, login])).toEqual([
    ['/1', `Bearer ${VALUE}`],
    ['/2', `Bearer ${VALUE}`],
  ])
})

test('a redirect to another host is told and not followed', async () => {
  const answer = await ask('bank.test', '/away')
  expect(answer).toMatch(/^HTTP\/1.1 302 /)
  expect(answer).toContain('https://other.test/take')
  expect(answer).not.toContain(VALUE)
  expect(internet.arrived).toEqual([])
})

test('a body passes, chunked too, and trailers, expectations and upgrades do not', async () => {
  const head = ['POST /in HTTP/1.1', 'Host: bank.test', 'Connection: close']
  const chunked = [...head, 'Transfer-Encoding: chunked', 'Trailer: x-late', 'Expect: 100-continue']
  const body = '\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nx-late: 1\r\n\r\n'
  expect(await say(await secure('bank.test'), chunked.join('\r\n') + body)).toContain('200 OK')
  expect(bank.arrived[0]?.body).toBe('abcde')
  const upgrade = ['Upgrade: websocket', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==']
  const refused = await ask('bank.test', '/ws', ...upgrade)
  expect(refused).toMatch(/^HTTP\/1.1 403 .*builtin:upgrade/)
  expect(bank.arrived).toHaveLength(1)
})

test.each([
  ['two lengths', 'Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!'],
  ['a length and chunks', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['a header on a bare line feed', 'X: 1\nAuthorization: x\n\n'],
  ['another Host', 'Host: other.test\r\n\r\n'],
])('a request with %s is refused, and nothing arrives', async (_, rest) => {
  const answer = await say(
    await secure('bank.test'),
    `POST / HTTP/1.1\r\nHost: bank.test\r\n${rest}`,
  )
  expect(answer).toMatch(/^HTTP\/1.1 40[03] /)
  expect(bank.arrived).toEqual([])
})

test('a second request to another authority in the tunnel is refused', async () => {
  const other = get('other.test', '/').replace('GET /', 'GET http://other.test/')
  const answer = await say(await secure('bank.test'), other)
  expect(answer).toMatch(/^HTTP\/1.1 421 /)
})

test.each([
  ['an address', 'http://other.test/?token=@'],
  ['an escaped address', `http://other.test/?token=${'@'}&x=%41`],
])('a placeholder in %s of another host is an attempt, refused and told', async (_, url) => {
  const target = url.replace('@', PLACEHOLDER)
  const socket = connect({ port, host: '127.0.0.1' })
  const answer = await say(socket, `GET ${target} HTTP/1.1\r\nHost: other.test\r\n\r\n`)
  expect(answer).toMatch(/^HTTP\/1.1 403 .*builtin:secret-elsewhere/)
  expect(answer).toContain('placeholder of secret "BANK"')
  expect(internet.arrived).toEqual([])
  expect(internet.records).toMatchObject([
    { host: 'other.test', outcome: 'denied', rule: 'builtin:secret-elsewhere' },
  ])
})

test('a placeholder in a header or a body of another host is an attempt too', async () => {
  const plain = async (...lines: string[]) =>
    await say(connect({ port, host: '127.0.0.1' }), [...lines, '', ''].join('\r\n'))
  const first = ['GET http://other.test/ HTTP/1.1', 'Host: other.test']
  const login = `Authorization: Basic ${Buffer.from(`a:${PLACEHOLDER}`).toString('base64')}`
  expect(await plain(...first, login)).toContain('builtin:secret-elsewhere')
  expect(await plain(...first, `Cookie: a=${PLACEHOLDER}`)).toContain('builtin:secret-elsewhere')
  const socket = connect({ port, host: '127.0.0.1' })
  const head = 'POST http://other.test/ HTTP/1.1\r\nHost: other.test\r\nContent-Length: 200\r\n\r\n'
  const body = `x${PLACEHOLDER}`.padEnd(200, 'y')
  const cut = await say(socket, head, body.slice(0, 30), body.slice(30))
  expect(cut).toContain('builtin:secret-elsewhere')
  expect(internet.arrived).toEqual([])
})

test('plain HTTP gets a secret only where its binding says so', async () => {
  const plain = async (host: string, ...more: string[]) =>
    await say(
      connect({ port, host: '127.0.0.1' }),
      [`GET http://${host}/ HTTP/1.1`, `Host: ${host}`, ...more, '', ''].join('\r\n'),
    )
  const echoed = await plain('allowed.test')
  expect(internet.arrived).toEqual(['http GET allowed.test /'])
  expect(echoed).toContain(`"x-key":"${'*'.repeat(20)}"`)
  const refused = await plain('bank.test', `Authorization: ${PLACEHOLDER}`)
  expect(refused).toMatch(/builtin:secret-(?:plain|elsewhere)/)
  expect(bank.arrived).toEqual([])
})

test.each([
  ['stranger.test', /SELF_SIGNED|UNABLE_TO|ISSUER/],
  ['expired.test', /CERT_HAS_EXPIRED/],
  ['elsewhere.test', /ALTNAME/],
])('a host with a bad certificate (%s) is sent nothing', async (host, why) => {
  const answer = await ask(host, '/')
  expect(answer).toMatch(/^HTTP\/1.1 502 .*builtin:upstream-tls/)
  expect(answer).toMatch(why)
  expect(bank.arrived).toEqual([])
  await internet.idle()
  expect(internet.records).toMatchObject([{ host, outcome: 'failed', secrets: [] }])
})

test('TLS that names another host than the tunnel is refused', async () => {
  await expect(secure('bank.test', { servername: 'other.test' })).rejects.toThrow()
  expect(internet.records).toMatchObject([{ host: 'bank.test', rule: 'builtin:tls-sni' }])
})

test('a client that insists on HTTP/2 gets no connection', async () => {
  await expect(secure('bank.test', { ALPNProtocols: ['h2'] })).rejects.toThrow(/alpn|protocol/i)
  expect(bank.arrived).toEqual([])
})

test('conditions on methods and paths hold inside TLS', async () => {
  internet.names.set('some.test', () => ['20.0.0.1'])
  const denied = await ask('some.test', '/private')
  expect(denied).toMatch(/^HTTP\/1.1 403 /)
  const allowed = await ask('some.test', '/v1/x')
  // It was let through: the test's server has another name in its certificate.
  expect(allowed).toMatch(/^HTTP\/1.1 502 .*builtin:upstream-tls/)
})

test('a host without conditions and secrets is not stood in for', async () => {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.write('CONNECT other.test:443 HTTP/1.1\r\nHost: other.test:443\r\n\r\n')
  await once(socket, 'data')
  const tls = connectTls({ socket, servername: 'other.test', rejectUnauthorized: false })
  await once(tls, 'secureConnect')
  expect(tls.getPeerCertificate().issuer.CN).toBe('Test internet')
  tls.destroy()
})

test('the authority of a run signs for no other host, and no other run trusts it', async () => {
  const other = newSide()
  expect(other.authority?.certificate).not.toBe(side.authority?.certificate)
  await expect(secure('bank.test', { ca: other.authority?.certificate })).rejects.toThrow(
    /certificate/,
  )
  // Even with the key in hand: the authority is limited by the names in its own certificate.
  const context = side.authority?.contextFor('evil.test')
  const server = createTlsServer({ SNICallback: (_, done) => done(null, context) })
  server.on('tlsClientError', () => {}).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const at = typeof address === 'object' && address !== null ? address.port : 0
  const client = connectTls({ port: at, servername: 'evil.test', ca: side.authority?.certificate })
  await expect(once(client, 'secureConnect')).rejects.toThrow(/permitted subtree|name constraint/i)
  server.close()
})

test('a control: without the gateway in between the placeholder is all that arrives', async () => {
  const blind = await internet.listen(internet.door(listOf('network: { allow: [bank.test] }')))
  const socket = connect({ port: blind, host: '127.0.0.1' })
  socket.write('CONNECT bank.test:443 HTTP/1.1\r\nHost: bank.test:443\r\n\r\n')
  await once(socket, 'data')
  const tls = connectTls({ socket, servername: 'bank.test', rejectUnauthorized: false })
  const answer = await say(tls, get('bank.test', '/', `Authorization: ${PLACEHOLDER}`))
  expect(answer).toContain(`you said ${PLACEHOLDER}`)
})
