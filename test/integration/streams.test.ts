/** Streams over real sockets: every event once and in order, whatever becomes of reader and server. */
import { connect as connectTcp, createServer } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { createTimeline, createRedactor, type Timeline } from '../../src/events/index.ts'
import { createRemoteClient, followRun } from '../../src/client/index.ts'
import type { RunId } from '../../src/schema/index.ts'
import { transitionRun } from '../../src/state/index.ts'
import { type TestServer, testServer } from '../helpers/server.ts'

let server: TestServer
let timeline: Timeline

beforeAll(async () => {
  server = await testServer({ allowedOrigins: ['https://ci.example.com'] })
  const redactor = createRedactor([])
  // Another connection to the state, as a worker in a process of its own would have.
  const { state } = server
  timeline = createTimeline({ state, now: Date.now, redactorOf: () => redactor, mirror: undefined })
})
afterAll(async () => {
  timeline[Symbol.dispose]()
  await server[Symbol.asyncDispose]()
})

const notice = (n: number) => ({ type: 'notice' as const, payload: { kind: 'test', n } })

function publish(id: RunId, from: number, to: number): void {
  for (let n = from; n <= to; n += 20) {
    const batch = Array.from({ length: Math.min(20, to - n + 1) }, (_, i) => notice(n + i))
    timeline.publish(id, batch)
  }
}

/** Ends the run and says so, as its engine would. */
function end(id: RunId): void {
  server.state.transact((tx) => {
    const patch = { status: 'succeeded', endedAt: Date.now() } as const
    transitionRun(tx, id, { from: ['running'], patch })
    timeline.append(tx, id, { type: 'run_completed', payload: { status: 'succeeded' } })
  })
}

interface Reader {
  seqs: number[]
  frames: Record<string, unknown>[]
  socket: WebSocket
  closed: Promise<number>
  /** Settles when so many frames have come. */
  has(count: number): Promise<void>
}

function read(path: string, options: { token?: string; origin?: string } = {}): Reader {
  const { token = server.admin, origin } = options
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}${path}`, {
    headers: token === '' ? {} : { authorization: `Bearer ${token}` },
    ...(origin !== undefined && { origin }),
  })
  const reader: Reader = {
    seqs: [],
    frames: [],
    socket,
    closed: new Promise((resolve) => {
      socket.on('unexpected-response', (_request, answer) => {
        answer.resume()
        resolve(answer.statusCode ?? 0)
      })
      socket.on('error', () => {})
      socket.on('close', (code) => resolve(code))
    }),
    has: (count) =>
      new Promise((resolve) => {
        const look = () => {
          if (reader.frames.length < count) return
          socket.off('message', look)
          resolve()
        }
        socket.on('message', look)
        look()
      }),
  }
  socket.on('message', (data: Buffer) => {
    const frame = JSON.parse(data.toString()) as Record<string, unknown>
    reader.frames.push(frame)
    const event = frame['event'] as { seq: number } | undefined
    if (event !== undefined) reader.seqs.push(event.seq)
  })
  return reader
}

const upTo = (count: number, from = 1) =>
  Array.from({ length: count - from + 1 }, (_, i) => from + i)
const running = (number: number) =>
  server.seed(number, { status: 'running', startedAt: 1, owner: 'test' }).id

test('a stream gives what is stored and then what comes, from any cursor, once and in order', async () => {
  const id = running(1)
  publish(id, 1, 300)
  const readers = [0, 1, 299, 300].map((after) => ({
    after,
    reader: read(`/v1/runs/${id}/stream?after=${after}`),
  }))
  publish(id, 301, 500)
  await readers[0]?.reader.has(500)
  publish(id, 501, 600)
  end(id)
  for (const { after, reader } of readers) {
    expect(await reader.closed).toBe(1000)
    expect(reader.seqs).toEqual(upTo(601, after + 1))
    expect(reader.frames.at(-1)).toEqual({ type: 'end', status: 'succeeded', exit_code: 0 })
  }
})

test('a hundred readers of one fast run all have everything', async () => {
  const id = running(2)
  const readers = Array.from({ length: 100 }, () => read(`/v1/runs/${id}/stream`))
  await Promise.all(
    readers.map(({ socket }) => new Promise((resolve) => socket.on('open', resolve))),
  )
  publish(id, 1, 200)
  end(id)
  for (const reader of readers) {
    expect(await reader.closed).toBe(1000)
    expect(reader.seqs).toEqual(upTo(201))
  }
})

test('server-sent events, lines and pages have the same events, and go on from a cursor', async () => {
  const id = running(3)
  publish(id, 1, 50)
  end(id)
  const headers = { accept: 'text/event-stream', 'last-event-id': '20' }
  const sse = await (await server.ask(`/v1/runs/${id}/stream`, { headers })).text()
  expect([...sse.matchAll(/^id: (\d+)$/gm)].map(([, seq]) => Number(seq))).toEqual(upTo(51, 21))
  expect(sse).toContain('event: end\ndata: {"type":"end"')
  const lines = await (await server.ask(`/v1/runs/${id}/stream?after=20`)).text()
  expect(lines.trimEnd().split('\n')).toHaveLength(32)
  const page = (await (await server.ask(`/v1/runs/${id}/events?after=20&limit=10`)).json()) as {
    events: { seq: number }[]
  }
  expect(page.events.map(({ seq }) => seq)).toEqual(upTo(30, 21))
})

test('the stream of all runs has the events of the tenant alone, in the order of their commits', async () => {
  const one = server.seed(4, { tenant: 'four' }).id
  const two = server.seed(5, { tenant: 'four' }).id
  const other = server.seed(6, { tenant: 'six' }).id
  const { token } = server.token('four', ['runs:read'])
  publish(one, 1, 3)
  const reader = read('/v1/stream?after=0', { token })
  await reader.has(3)
  publish(other, 1, 5)
  publish(two, 1, 2)
  publish(one, 4, 4)
  await reader.has(6)
  reader.socket.close()
  const seen = reader.frames.map(({ event }) => (event as { run: string }).run)
  expect(seen).toEqual([one, one, one, two, two, one])
  const positions = reader.frames.map(({ position }) => Number(position))
  expect(positions).toEqual([...positions].sort((a, b) => a - b))
  const again = read(`/v1/stream?after=${positions[3]}`, { token })
  await again.has(2)
  expect(again.frames.map(({ position }) => position)).toEqual(positions.slice(4))
  again.socket.close()
})

test('an upgrade goes through the same gate as every request', async () => {
  const id = running(7)
  const path = `/v1/runs/${id}/stream`
  expect(await read(path, { token: '' }).closed).toBe(401)
  expect(await read(path, { token: `oxp_${'b'.repeat(43)}` }).closed).toBe(401)
  expect(await read(path, { token: server.token('default', ['runs:create']).token }).closed).toBe(
    403,
  )
  expect(await read(path, { token: server.token('else', ['admin']).token }).closed).toBe(404)
  expect(await read('/v1/runs').closed).toBe(404)
  expect(await read(`${path}?after=x`).closed).toBe(400)
  // A page that lets a browser open it: with the token even, and without.
  for (const origin of ['https://attacker.example', 'null', server.url])
    expect(await read(path, { origin }).closed, origin).toBe(403)
  const allowed = read(path, { origin: 'https://ci.example.com' })
  await new Promise((resolve) => allowed.socket.on('open', resolve))
  allowed.socket.close()
})

test('a ticket opens one stream of its run, once', async () => {
  const id = running(8)
  publish(id, 1, 1)
  const make = async (run?: string) => {
    const answer = await server.ask('/v1/stream-tickets', {
      method: 'POST',
      body: run === undefined ? {} : { run },
    })
    expect(answer.status).toBe(201)
    return ((await answer.json()) as { ticket: string }).ticket
  }
  const ticket = await make(id)
  const path = `/v1/runs/${id}/stream?ticket=`
  const reader = read(path + ticket, { token: '' })
  await reader.has(1)
  expect(await read(path + ticket, { token: '' }).closed).toBe(401)
  expect(await read(path + (await make(running(9))), { token: '' }).closed).toBe(401)
  // A ticket is for streams and nothing else.
  const other = await server.ask(`/v1/runs?ticket=${await make()}`, { token: '' })
  expect(other.status).toBe(401)
  reader.socket.close()
})

test('a reader that sends something is told that a stream takes nothing', async () => {
  const id = running(10)
  const chatty = read(`/v1/runs/${id}/stream`)
  chatty.socket.on('open', () => chatty.socket.send('hello'))
  expect(await chatty.closed).toBe(1008)
  const loud = read(`/v1/runs/${id}/stream`)
  loud.socket.on('open', () => loud.socket.send(Buffer.alloc(70_000)))
  expect(await loud.closed).toBe(1009)
})

test('readers that read nothing keep few frames in memory and nobody waiting', async () => {
  const id = running(11)
  const big = 'x'.repeat(60_000)
  const event = { type: 'notice' as const, payload: { kind: 'test', big } }
  for (let n = 0; n < 60; n++) timeline.publish(id, Array(20).fill(event))
  const before = process.memoryUsage().rss
  const dead = Array.from({ length: 12 }, () => silentReader(`/v1/runs/${id}/stream`))
  const reader = read(`/v1/runs/${id}/stream`)
  await reader.has(1200)
  expect(reader.seqs).toEqual(upTo(1200))
  // Kept whole, it would be 72 MB for each of them.
  expect(process.memoryUsage().rss - before).toBeLessThan(400_000_000)
  reader.socket.close()
  for (const socket of dead) socket.destroy()
})

function silentReader(path: string) {
  const socket = connectTcp(Number(new URL(server.url).port), '127.0.0.1')
  socket.pause()
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}\r\n` +
      `Authorization: Bearer ${server.admin}\r\n\r\n`,
  )
  return socket
}

test('followRun() survives a lost connection and goes on without gap or repeat', async () => {
  const id = running(12)
  publish(id, 1, 100)
  // A network between the two that breaks every connection after a while.
  let cuts = 0
  const proxy = createServer((near) => {
    const far = connectTcp(Number(new URL(server.url).port), '127.0.0.1')
    let budget = cuts++ < 3 ? 12_000 : Number.POSITIVE_INFINITY
    near.pipe(far)
    far.on('data', (data: Buffer) => {
      budget -= data.length
      if (budget < 0) near.destroy()
      else near.write(data)
    })
    for (const socket of [near, far])
      socket.on('error', () => {}).on('close', () => (near.destroy(), far.destroy()))
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const address = proxy.address()
  const port = typeof address === 'object' ? address?.port : 0
  const client = createRemoteClient({ url: `http://127.0.0.1:${port}`, token: server.admin })
  const { signal } = new AbortController()
  const seqs: number[] = []
  for await (const frame of followRun(client, { run: id, after: 0, live: true, signal })) {
    if (frame.type === 'event') seqs.push(frame.event.seq)
    if (frame.type === 'event' && frame.event.seq === 100) {
      publish(id, 101, 150)
      end(id)
    }
  }
  proxy.close()
  expect(cuts).toBeGreaterThan(2)
  expect(seqs).toEqual(upTo(151))
})
