import { once } from 'node:events'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WebSocketServer } from 'ws'
import { type ApiServer, type createApi, loadServing } from '../../src/api/index.ts'
import { openProgram } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import type { OpenedRuntime } from '../../src/program.ts'
import { LOCAL_CALLER } from '../../src/runtime/index.ts'
import type { NewEvent } from '../../src/schema/index.ts'
import { enqueue } from '../../src/state/index.ts'
import { seedRun } from '../../test/helpers/state.ts'
import { openFollowers } from '../followers.ts'
import type { BenchRow } from '../row.ts'

const FOLLOWERS = 100
const P99_MS_MAX = 100
const EVENT = {
  type: 'tool_call',
  stage: 'implement',
  attempt: 1,
  payload: { tool: 'read_file', path: 'src/index.ts', decision: 'allow', bytes: 1234 },
} satisfies NewEvent

/** From before the durable append until the last of all readers has the event over its WebSocket. */
export const eventFanout: BenchRow = {
  id: 'event_fanout',
  what: `an event, stored and delivered to ${FOLLOWERS} followers over WebSockets`,
  unit: 'ms',
  peer: 'ws, the text sent to each, nothing stored',
  target: `≤ ${P99_MS_MAX} ms p99`,
  rounds: 300,
  warmUps: 20,
  ok: ({ ours }) => ours.p99 <= P99_MS_MAX,
  async open() {
    const ours = await openOurs()
    const peer = await openPeer()
    return {
      ours: ours.sample,
      peer: peer.sample,
      async close() {
        await peer.close()
        await ours.close()
      },
    }
  },
}

const clock = () => performance.timeOrigin + performance.now()

/** The program with its server, in this process, where runs append their events too. */
async function openOurs() {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'openexec-bench-')))
  const log = { info: () => {}, warn: (line: string) => console.error(line) }
  const stateDir = join(directory, 'state')
  const program = openProgram({ config: readConfig(), stateDir, cwd: '/', log, pool: undefined })
  const { opened } = program
  if (opened === undefined) throw new Error('There is no state')
  const { timeline, state } = opened.deps
  const { id, tenant } = seedRun(state)
  // A run that nobody executes and that waits for nothing ends its streams.
  enqueue(state.db, { runId: id, tenant, priority: 0, enqueuedAt: Date.now() })
  const request = { name: 'bench', scopes: ['runs:read' as const] }
  const { token } = opened.tokens.create(request, LOCAL_CALLER)
  const server = await listenTo(opened)
  const url = `${server.url.replace('http', 'ws')}/v1/runs/${id}/stream`
  const followers = await openFollowers({ url, token, count: FOLLOWERS })
  return {
    async sample() {
      const began = clock()
      const seq = timeline.publish(id, EVENT).at(-1)?.seq ?? 0
      return (await followers.all(seq)) - began
    },
    async close() {
      await followers.close()
      await server.close()
      await program.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

async function listenTo({ tokens, runtimeOf }: OpenedRuntime): Promise<ApiServer> {
  const { createRates, createTickets, listen, RATE_LIMITS, SERVER_LIMITS } = await loadServing()
  const none = (): ReturnType<typeof createApi> => {
    throw new Error('Nothing but streams is asked for')
  }
  return await listen(
    {
      tokens,
      tickets: createTickets(Date.now),
      known: { listen: '127.0.0.1', hosts: [], origins: [] },
      rates: createRates(RATE_LIMITS, () => performance.now()),
      proxies: [],
      apiOf: none,
      runtimeOf,
      own: new Map(),
      times: { pingMs: 15_000, sendMs: 30_000 },
      streamsMax: 2 * FOLLOWERS,
      onAnswer: () => {},
      onBug: (error) => console.error(error),
    },
    { host: '127.0.0.1', port: 0, limits: SERVER_LIMITS },
  )
}

/** What one would write with the library alone. */
async function openPeer() {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
  await once(server, 'listening')
  // A TCP server has an address with a port.
  const { port } = server.address() as AddressInfo
  const url = `ws://127.0.0.1:${port}`
  const followers = await openFollowers({ url, token: 'none', count: FOLLOWERS })
  let n = 0
  return {
    async sample() {
      const began = clock()
      const text = JSON.stringify({ type: 'event', n: ++n, event: EVENT })
      for (const client of server.clients) client.send(text)
      return (await followers.all(n)) - began
    },
    async close() {
      await followers.close()
      server.close()
    },
  }
}
