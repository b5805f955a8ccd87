/** Who asks too often, holds too much open, or has no token again and again. */
import { setTimeout as wait } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { RATE_LIMITS } from '../../src/api/rates.ts'
import { ErrorAnswer } from '../../src/schema/index.ts'
import { type TestServer, testServer } from '../helpers/server.ts'

const SLOW = { perSecond: 0.01, burst: 5 }
const FREE = { perSecond: 10_000, burst: 100_000 }
const NONE = { ...RATE_LIMITS, tenant: FREE, token: FREE, failures: FREE }

async function statuses(count: number, ask: () => Promise<Response>): Promise<number[]> {
  const found: number[] = []
  for (let i = 0; i < count; i++) {
    const answer = await ask()
    await answer.body?.cancel()
    found.push(answer.status)
  }
  return found
}

test('a token that asks too often is told when to come back, and holds up no other', async () => {
  await using server = await testServer({ rates: { ...NONE, token: SLOW } })
  const [busy, other] = [1, 2].map(() => server.token('a', ['runs:read']).token)
  const ask = (token = busy) => server.ask('/v1/runs', { token })
  const first = await ask()
  expect(first.headers.get('ratelimit-limit')).toBe('5')
  expect(first.headers.get('ratelimit-remaining')).toBe('4')
  expect(await statuses(6, ask)).toEqual([200, 200, 200, 200, 429, 429])
  const refused = await ask()
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(10)
  expect(ErrorAnswer.parse(await refused.json()).error).toMatchObject({
    code: 'too_busy',
    details: { limit: 'token' },
  })
  expect((await ask(other)).status).toBe(200)
  const metrics = await (await server.ask('/metrics')).text()
  expect(metrics).toContain('openexec_requests_refused{limit="token"} 3')
})

test('all tokens of a tenant together have a rate, and other tenants have their own', async () => {
  await using server = await testServer({ rates: { ...NONE, tenant: SLOW } })
  const tokens = [1, 2, 3].map(() => server.token('a', ['runs:read']).token)
  let turn = 0
  const found = await statuses(6, () => server.ask('/v1/runs', { token: tokens[turn++ % 3] }))
  expect(found.filter((status) => status === 200)).toHaveLength(5)
  const stranger = server.token('b', ['runs:read']).token
  expect((await server.ask('/v1/runs', { token: stranger })).status).toBe(200)
})

test('failures are refused by address, and a valid token from there is not', async () => {
  await using server = await testServer({ rates: { ...NONE, failures: SLOW } })
  const guess = () => server.ask('/v1/runs', { token: `oxp_${'a'.repeat(43)}` })
  expect(await statuses(7, guess)).toEqual([401, 401, 401, 401, 401, 429, 429])
  expect((await guess()).headers.get('retry-after')).not.toBeNull()
  expect(await upgradeStatus(server, '/v1/stream', 'x')).toBe(429)
  expect((await server.ask('/v1/runs')).status).toBe(200)
  expect((await server.ask('/health', { token: '' })).status).toBe(200)
})

test('behind a proxy that was named each client has failures of its own', async () => {
  const rates = { ...NONE, failures: SLOW }
  await using server = await testServer({ rates, proxies: ['127.0.0.1'] })
  const from = (address: string) => () =>
    server.ask('/v1/runs', { token: '', headers: { 'x-forwarded-for': `9.9.9.9, ${address}` } })
  expect(await statuses(6, from('198.51.100.1'))).toEqual([401, 401, 401, 401, 401, 429])
  expect(await statuses(1, from('198.51.100.2'))).toEqual([401])
})

test('what a client says of where it comes from is not believed without a proxy', async () => {
  await using server = await testServer({ rates: { ...NONE, failures: SLOW } })
  let number = 0
  const lie = () =>
    server.ask('/v1/runs', { token: '', headers: { 'x-forwarded-for': `198.51.100.${number++}` } })
  expect((await statuses(6, lie)).at(-1)).toBe(429)
})

test('a tenant holds so many streams open, over HTTP and WebSockets together', async () => {
  await using server = await testServer({ rates: { ...NONE, streamsOfTenant: 2 } })
  server.seed(1, { tenant: 'a' })
  const { token } = server.token('a', ['runs:read'])
  const path = '/v1/runs/run_0000000000000001/stream'
  const opened = await server.ask(path, { token })
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}${path}`, {
    headers: { authorization: `Bearer ${token}` },
  })
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  expect((await server.ask(path, { token })).status).toBe(429)
  expect(await upgradeStatus(server, path, token)).toBe(429)
  const stranger = server.token('b', ['runs:read']).token
  expect((await server.ask('/v1/runs', { token: stranger })).status).toBe(200)
  // What is closed makes room, whichever it was.
  await opened.body?.cancel()
  socket.terminate()
  await expect
    .poll(() => statuses(2, () => server.ask(`${path}?live=false`, { token })))
    .toEqual([200, 200])
})

test('a HEAD of a stream holds no place', async () => {
  await using server = await testServer({ rates: { ...NONE, streamsOfTenant: 1 } })
  const { id } = server.seed(1)
  for (let i = 0; i < 3; i++)
    expect((await server.ask(`/v1/runs/${id}/stream`, { method: 'HEAD' })).status).toBe(200)
  await wait(20)
  expect((await server.ask(`/v1/runs/${id}/stream?live=false`)).status).toBe(200)
})

async function upgradeStatus({ url }: TestServer, path: string, token: string): Promise<number> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}${path}`, {
    headers: { authorization: `Bearer ${token}` },
  })
  return await new Promise((resolve) => {
    socket.once('error', () => {})
    socket.once('open', () => resolve(101))
    socket.once('unexpected-response', (_request, answer) => {
      answer.resume()
      resolve(answer.statusCode ?? 0)
    })
  })
}
