/** Webhooks from the event to the receiver, in an internet of the test's own. */
import { createHmac } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer as createTlsServer } from 'node:https'
import { expect, onTestFinished, test } from 'vitest'
import { createTimeline } from '../../src/events/index.ts'
import { createRedactor } from '../../src/events/index.ts'
import { createTokens, createHookSender, createWebhooks } from '../../src/runtime/index.ts'
import { collectDeliveries } from '../../src/runtime/webhooks/collect-deliveries.ts'
import { classifyAddress } from '../../src/policy/index.ts'
import { listAudit, type State } from '../../src/state/index.ts'
import { createAuthority } from '../../src/sandbox/egress/certificate-authority.ts'
import { countingIds, openTestState, seedRun, testRun } from '../helpers/state.ts'
import { ADDRESS, testInternet, type TestInternet } from '../helpers/test-internet.ts'

const BY = { tenant: 'default', actor: 'tok_1', scopes: ['admin'], requestId: undefined } as const
const NOW = 1_800_000_000_000
const HOST = 'hooks.test'
const URL_ = `https://${HOST}/in?a=b`
const VALIDITY = { now: Date.now(), validMs: 86_400_000 }
const authority = createAuthority('Test', { ...VALIDITY, names: [] })

interface Receiver {
  requests: { headers: Record<string, unknown>; body: string; url: string | undefined }[]
  answer: RequestListener
}

interface World {
  state: State
  clock: { now: number }
  net: TestInternet
  receiver: Receiver
  webhooks: ReturnType<typeof createWebhooks>
  /** A server that begins; one that was before is as good as killed. */
  start(options?: { allowed?: string[]; limitMs?: number }): ReturnType<typeof createHookSender>
  emit(number?: number): void
  /** Looks until nothing is due any more. */
  pass(sender: ReturnType<typeof createHookSender>): Promise<void>
}

async function world(allowed: string[] = []): Promise<World> {
  const state = openTestState()
  const net = await testInternet()
  const clock = { now: NOW }
  const now = () => clock.now
  const newId = countingIds()
  const tokens = createTokens({ state, now, newId })
  const receiver: Receiver = { requests: [], answer: (_request, response) => response.end('ok') }
  const listener: RequestListener = (request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const { headers, url } = request
      receiver.requests.push({ headers, url, body: Buffer.concat(parts).toString() })
      receiver.answer(request, response)
    })
  }
  const { key, certificate } = authority.issue(HOST, VALIDITY)
  const servers = [createTlsServer({ key, cert: certificate }, listener), createServer(listener)]
  for (const [index, server] of servers.entries()) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    net.routes.set(`${ADDRESS.allowed}:${index === 0 ? 443 : 8080}`, port)
    net.routes.set(`10.0.0.5:${index === 0 ? 443 : 8080}`, port)
    onTestFinished(() => void (server.closeAllConnections(), server.close()))
  }
  net.names.set(HOST, () => [ADDRESS.allowed])
  const mirror = { runsDir: '/nowhere', log: { info: () => {}, warn: () => {} } }
  const redactor = createRedactor([])
  const timeline = createTimeline({ state, now, redactorOf: () => redactor, mirror })
  onTestFinished(async () => {
    timeline[Symbol.dispose]()
    await net[Symbol.asyncDispose]()
    state[Symbol.dispose]()
  })
  seedRun(state, 1)
  seedRun(state, 2, { tenant: 'other' })
  return {
    state,
    clock,
    net,
    receiver,
    webhooks: createWebhooks({ state, now, newId, record: tokens.record }, allowed),
    start: ({ allowed: origins = allowed, limitMs = 2000 } = {}) =>
      createHookSender({
        state,
        now,
        newId,
        random: () => 0.5,
        internet: net.internet,
        authorities: [authority.certificate],
        limitMs,
        allowed: origins,
        onDisabled: ({ tenant, id, reason }) =>
          tokens.record(
            { tenant, actor: 'server', scopes: [], requestId: undefined },
            { action: 'webhook.disable', subject: id, details: { reason } },
          ),
      }),
    emit: (number = 1) =>
      state.transact((tx) =>
        timeline.append(tx, testRun(number).id, [
          { type: 'run_completed', payload: { status: 'succeeded' } },
        ]),
      ),
    async pass(sender) {
      for (let i = 0; i < 20; i++) {
        sender.look()
        await sender.idle()
      }
    },
  }
}

const create = ({ webhooks }: World, url = URL_) =>
  webhooks.create({ url, events: ['run_completed'] }, BY)
const log = ({ webhooks }: World, id: string) =>
  webhooks.deliveries(id, BY, { limit: 100, before: undefined })

test('an event of the tenant arrives once, signed, and nobody else hears of it', async () => {
  const all = await world()
  const { id, secret } = create(all)
  const sender = all.start()
  all.emit()
  all.emit(2)
  await all.pass(sender)
  expect(all.receiver.requests).toHaveLength(1)
  const [request] = all.receiver.requests
  expect(request?.url).toBe('/in?a=b')
  expect(JSON.parse(request?.body ?? '')).toMatchObject({
    webhook: id,
    type: 'run_completed',
    run: { id: testRun(1).id, status: 'queued' },
    event: { seq: 1, payload: { status: 'succeeded' } },
  })
  const header = String(request?.headers['openexec-signature'])
  const [, t, v1] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(header) ?? []
  expect(Number(t)).toBe(NOW / 1000)
  expect(v1).toBe(createHmac('sha256', secret).update(`${t}.${request?.body}`).digest('hex'))
  expect(log(all, id)).toMatchObject([{ status: 'delivered', attempts: 1, httpStatus: 200 }])
  expect(JSON.stringify(all.webhooks.list(BY))).not.toContain(secret)
})

test('what is refused is tried again, later and later, and by the next server too', async () => {
  const all = await world()
  const { id } = create(all)
  all.receiver.answer = (_request, response) => response.writeHead(500).end()
  all.emit()
  await all.pass(all.start())
  expect(log(all, id)).toMatchObject([
    { status: 'pending', attempts: 1, nextAt: NOW + 10_000, error: 'The receiver answered 500' },
  ])
  const second = all.start()
  all.clock.now += 9_000
  await all.pass(second)
  expect(all.receiver.requests).toHaveLength(1)
  all.receiver.answer = (_request, response) => response.writeHead(204).end()
  all.clock.now += 1_000
  await all.pass(second)
  expect(log(all, id)).toMatchObject([{ status: 'delivered', attempts: 2, httpStatus: 204 }])
  const [first, again] = all.receiver.requests
  expect(again?.body).toBe(first?.body)
  expect(again?.headers['openexec-delivery']).toBe(first?.headers['openexec-delivery'])
  expect(again?.headers['openexec-signature']).not.toBe(first?.headers['openexec-signature'])
})

test('an attempt whose server died is made again when its lease is over, and no event is lost', async () => {
  const all = await world()
  const { id } = create(all)
  all.receiver.answer = () => {}
  const killed = all.start({ limitMs: 60_000 })
  all.emit()
  killed.look()
  await expect.poll(() => all.receiver.requests.length).toBe(1)
  await killed.stop()
  all.receiver.answer = (_request, response) => response.end()
  all.emit()
  const next = all.start()
  await all.pass(next)
  expect(log(all, id).map(({ status }) => status)).toEqual(['delivered', 'pending'])
  all.clock.now += 60_000
  await all.pass(next)
  expect(log(all, id).map(({ status }) => status)).toEqual(['delivered', 'delivered'])
  expect(all.receiver.requests).toHaveLength(3)
})

test('collectDeliveries() takes each event once, whoever dies between two looks', async () => {
  const all = await world()
  create(all)
  const deps = { state: all.state, now: () => all.clock.now, newId: countingIds() }
  all.emit()
  expect(collectDeliveries({ ...deps, newId: () => 'dlv_0000000000000091' })).toBe(1)
  expect(collectDeliveries(deps)).toBe(0)
  all.emit()
  all.emit()
  // The second of the two cannot be written: then neither was taken.
  let made = 0
  const dies = () => `dlv_000000000000009${made++ === 0 ? 2 : 1}`
  expect(() => collectDeliveries({ ...deps, newId: dies })).toThrow()
  expect(collectDeliveries({ ...deps, newId: () => `dlv_000000000000009${3 + made++}` })).toBe(2)
})

test('a webhook is disabled after five deliveries in a row that were given up', async () => {
  const all = await world()
  const { id } = create(all)
  all.receiver.answer = (_request, response) => response.writeHead(503).end()
  const sender = all.start()
  for (let i = 0; i < 6; i++) all.emit()
  for (let i = 0; i < 9; i++) {
    await all.pass(sender)
    all.clock.now += 50_000_000
  }
  const [hook] = all.webhooks.list(BY)
  expect(hook).toMatchObject({ failures: 5, disabledReason: '5 deliveries in a row were given up' })
  expect(log(all, id).every(({ status }) => status === 'failed')).toBe(true)
  expect(() => all.webhooks.test(id, BY)).toThrow('it is disabled')
  const actions = listAudit(all.state.db, { tenant: 'default', after: 0, limit: 99 })
  expect(actions.at(-1)).toMatchObject({ actor: 'server', action: 'webhook.disable', subject: id })
  // What happens while it is disabled is told to nobody, also not later.
  all.emit()
  await all.pass(sender)
  all.webhooks.enable(id, BY)
  all.receiver.answer = (_request, response) => response.end()
  const before = all.receiver.requests.length
  await all.pass(sender)
  expect(all.receiver.requests).toHaveLength(before)
  const given = log(all, id)[0]?.id ?? ''
  all.webhooks.redeliver(id, given, BY)
  await all.pass(sender)
  expect(log(all, id)[0]).toMatchObject({ id: given, status: 'delivered', attempts: 1 })
})

test('410 ends a webhook at once', async () => {
  const all = await world()
  const { id } = create(all)
  all.receiver.answer = (_request, response) => response.writeHead(410).end()
  all.webhooks.test(id, BY)
  await all.pass(all.start())
  expect(all.webhooks.get(id, BY).disabledReason).toBe('The receiver answered 410')
})

test('a redirect is not followed, wherever it leads', async () => {
  const all = await world()
  const { id } = create(all)
  all.receiver.answer = (_request, response) =>
    response.writeHead(307, { location: 'http://169.254.169.254/latest' }).end()
  all.webhooks.test(id, BY)
  await all.pass(all.start())
  expect(log(all, id)).toMatchObject([{ httpStatus: 307, status: 'pending' }])
  expect(all.net.dialled).toEqual([`${ADDRESS.allowed}:443`])
})

test.each(['127.0.0.1', '10.0.0.5', '169.254.169.254', '::1', '100.100.100.200', '20.0.0.200'])(
  'a name that means %s is not dialled, and the log does not say what it means',
  async (address) => {
    const all = await world()
    const { id } = create(all)
    all.net.names.set(HOST, () => [address])
    all.webhooks.test(id, BY)
    await all.pass(all.start())
    expect(all.net.dialled).toEqual([])
    expect(log(all, id)[0]?.error).toBe('Cannot connect: the host has no permitted address')
  },
)

test('a resolver that answers otherwise the second time changes nothing', async () => {
  const all = await world()
  const { id } = create(all)
  let asked = 0
  // A careless sender asks once to check and once to connect.
  all.net.names.set(HOST, () => (asked++ === 0 ? [ADDRESS.allowed] : ['10.0.0.5']))
  all.webhooks.test(id, BY)
  await all.pass(all.start())
  expect(asked).toBe(1)
  expect(all.net.dialled).toEqual([`${ADDRESS.allowed}:443`])
  // The control: asked again, it would have been the address of the inside.
  expect(await all.net.internet.resolve(HOST, new AbortController().signal)).toEqual(['10.0.0.5'])
  expect(classifyAddress('10.0.0.5', []).kind).toBe('nameable')
})

test.each([
  'http://hooks.test/',
  'https://hooks.test:8443/',
  'https://10.0.0.5/',
  'https://[::1]/',
  'https://2130706433/',
  'https://user:word@hooks.test/',
  'https://hooks.test%00.evil.test/',
  'ftp://hooks.test/',
  'file:///etc/passwd',
  'nonsense',
])('a webhook to %s is refused when it is made', async (url) => {
  const all = await world()
  expect(() => create(all, url)).toThrow('Cannot send to')
  expect(all.webhooks.list(BY)).toEqual([])
})

test('what the operator allows may be plain, elsewhere and private, and nothing beside it', async () => {
  const origin = `http://${HOST}:8080`
  const all = await world([origin])
  all.net.names.set(HOST, () => ['10.0.0.5'])
  expect(() => create(all, `http://${HOST}:8081/`)).toThrow('expected https')
  const plain = create(all, `${origin}/x`)
  const other = create(all)
  for (const { id } of [plain, other]) all.webhooks.test(id, BY)
  await all.pass(all.start())
  expect(all.net.dialled).toEqual(['10.0.0.5:8080'])
  expect(log(all, plain.id)[0]?.status).toBe('delivered')
  // Taken back, it is refused for what is there too.
  all.webhooks.test(plain.id, BY)
  await all.pass(all.start({ allowed: [] }))
  expect(all.net.dialled).toHaveLength(1)
})

test('a receiver with a certificate of another name, or that hangs, has not taken it', async () => {
  const all = await world()
  all.net.names.set('wrong.test', () => [ADDRESS.allowed])
  const wrong = create(all, 'https://wrong.test/')
  const slow = create(all)
  for (const { id } of [wrong, slow]) all.webhooks.test(id, BY)
  all.receiver.answer = (_request, response) => response.flushHeaders()
  await all.pass(all.start({ limitMs: 300 }))
  expect(all.receiver.requests).toHaveLength(1)
  expect(log(all, wrong.id)[0]).toMatchObject({ error: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  expect(log(all, slow.id)[0]).toMatchObject({ error: 'It took too long' })
})

test('an answer without end is cut off, and counts by its status', async () => {
  const all = await world()
  const { id } = create(all)
  all.receiver.answer = (_request, response) => {
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536)));
    }
    response.on('drain', more)
    more()
  }
  all.webhooks.test(id, BY)
  await all.pass(all.start())
  expect(log(all, id)[0]).toMatchObject({ status: 'delivered', httpStatus: 200 })
})

test('one receiver that hangs holds up no other', async () => {
  const all = await world()
  const slow = create(all)
  const quick = create(all, `https://${HOST}/quick`)
  all.receiver.answer = (request, response) => {
    if (request.url === '/quick') response.end()
  }
  for (let i = 0; i < 30; i++) all.webhooks.test(slow.id, BY)
  all.webhooks.test(quick.id, BY)
  const sender = all.start({ limitMs: 60_000 })
  sender.look()
  await expect.poll(() => log(all, quick.id)[0]?.status).toBe('delivered')
  expect(all.receiver.requests.filter(({ url }) => url !== '/quick')).toHaveLength(2)
  await sender.stop()
})

test('a tenant neither sees nor changes webhooks of another', async () => {
  const all = await world()
  const { id } = create(all)
  all.webhooks.test(id, BY)
  const [delivery] = log(all, id)
  const stranger = { ...BY, tenant: 'other' }
  expect(all.webhooks.list(stranger)).toEqual([])
  for (const attempt of [
    () => all.webhooks.get(id, stranger),
    () => all.webhooks.remove(id, stranger),
    () => all.webhooks.test(id, stranger),
    () => all.webhooks.enable(id, stranger),
    () => all.webhooks.deliveries(id, stranger, { limit: 1, before: undefined }),
    () => all.webhooks.redeliver(id, delivery?.id ?? '', stranger),
  ])
    expect(attempt).toThrow('Cannot find webhook')
  expect(all.webhooks.remove(id, BY).id).toBe(id)
})
