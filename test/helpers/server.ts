/** A real server on a free port of this machine, over a state directory of its own; no engine answers. */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { RATE_LIMITS } from '../../src/api/rates.ts'
import { SERVER_LIMITS } from '../../src/api/server.ts'
import { readConfig } from '../../src/config.ts'
import { createTokens, createNewId, LOCAL_CALLER } from '../../src/runtime/index.ts'
import type { Run, Scope, Tenant } from '../../src/schema/index.ts'
import { openServer, type ServeOptions, type Serving } from '../../src/serve.ts'
import { openState, type State } from '../../src/state/index.ts'
import { seedRun } from './state.ts'

export interface TestServer {
  url: string
  stateDir: string
  /** Of the tenant `default`, with every right. */
  admin: string
  /** A second connection to the same state. */
  state: State
  token(
    tenant: Tenant,
    scopes: readonly Scope[],
    expiresInMs?: number,
  ): { token: string; id: string }
  seed(number: number, overrides?: Partial<Run>): Run
  ask(path: string, options?: AskOptions): Promise<Response>
  /** Something of whoever the token belongs to, and what belongs to that. */
  make(token: string, noun: 'webhook' | 'schedule'): Promise<{ id: string; part: string }>
  serving: Serving
  logged: string[]
  [Symbol.asyncDispose](): Promise<void>
}

async function makeWebhook(ask: TestServer['ask'], token: string) {
  const body = { url: 'https://hooks.test/' }
  const made = await ask('/v1/webhooks', { method: 'POST', token, body })
  const { id } = WithId.parse(await made.json())
  const sent = await ask(`/v1/webhooks/${id}/test`, { method: 'POST', token })
  return { id, part: WithId.parse(await sent.json()).id }
}

let schedulesMade = 0

async function makeSchedule(ask: TestServer['ask'], token: string) {
  const run = { repo: { path: process.cwd() }, command: ['true'] }
  const body = { name: `every-year-${++schedulesMade}`, cron: '0 0 1 1 *', run }
  const made = await ask('/v1/schedules', { method: 'POST', token, body })
  const { id } = WithId.parse(await made.json())
  return { id, part: body.name }
}

const WithId = z.object({ id: z.string() })

interface AskOptions {
  method?: string
  token?: string | undefined
  body?: unknown
  headers?: Record<string, string>
}

/** Nothing of a test leaves this machine. */
const NOWHERE = {
  resolve: () => Promise.reject(new Error('No network')),
  dial: () => Promise.reject(new Error('No network')),
  classify: () => ({ kind: 'forbidden', range: 'test' }) as const,
  roots: () => [],
}

/** Nothing that is asked for is ever executed: the engine is one that is not there. */
export async function testServer(changes: Partial<ServeOptions> = {}): Promise<TestServer> {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'openexec-server-test-')))
  const stateDir = join(directory, 'state')
  const logged: string[] = []
  const config = readConfig({
    PATH: process.env['PATH'],
    HOME: directory,
    DOCKER_HOST: 'unix:///nowhere/engine.sock',
  })
  const log = {
    info: () => {},
    warn: () => {},
    answered: () => {},
    ran: () => {},
    bug: (error: unknown) =>
      logged.push(error instanceof Error ? String(error.stack) : String(error)),
  }
  const serving = await openServer({
    config,
    stateDir,
    host: '127.0.0.1',
    port: 0,
    allowedHosts: [],
    allowedOrigins: [],
    openRoots: [],
    concurrency: 1,
    concurrencyOfTenant: undefined,
    waitingMax: 1000,
    waitingOfTenant: undefined,
    // Tests ask without a token as fast as they can.
    rates: { ...RATE_LIMITS, failures: { perSecond: 1000, burst: 10_000 } },
    proxies: [],
    retention: undefined,
    hookOrigins: [],
    hookAuthorities: undefined,
    internet: NOWHERE,
    pool: undefined,
    limits: SERVER_LIMITS,
    log,
    ...changes,
  })
  const state = openState({ file: join(stateDir, 'openexec.db') })
  const tokens = createTokens({ state, now: Date.now, newId: createNewId() })
  const token: TestServer['token'] = (tenant, scopes, expiresInMs) => {
    const made = tokens.create(
      {
        name: 'test',
        tenant,
        scopes: [...scopes],
        ...(expiresInMs && { expires_in_ms: expiresInMs }),
      },
      LOCAL_CALLER,
    )
    return { token: made.token, id: made.record.id }
  }
  const admin = token('default', ['admin']).token
  const ask: TestServer['ask'] = (
    path,
    { method = 'GET', token: given = admin, body, headers = {} } = {},
  ) =>
    fetch(`${serving.url}${path}`, {
      method,
      headers: {
        ...(given !== '' && { authorization: `Bearer ${given}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
  return {
    url: serving.url,
    stateDir,
    admin,
    state,
    token,
    serving,
    logged,
    seed: (number, overrides = {}) => seedRun(state, number, overrides),
    ask,
    make: (token, noun) => (noun === 'webhook' ? makeWebhook : makeSchedule)(ask, token),
    async [Symbol.asyncDispose]() {
      state[Symbol.dispose]()
      await serving.drain(5000)
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
