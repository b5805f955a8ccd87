/** Builds the server out of the program: queue, gate, streams, figures, and how all of it ends. */
import {
  type ApiServer,
  type createApi,
  loadServing,
  type RateLimits,
  type ServerLimits,
  type ServerLog,
} from './api/index.ts'
import { openProgram } from './app.ts'
import { poolFigures, version } from './serve-health.ts'
import { apiOfTenant } from './serve-api.ts'
import { type Background, startBackground } from './serve-background.ts'
import { type Internet, machineInternet } from './sandbox/index.ts'
import type { Config } from './config.ts'
import type { OpenedRuntime, Program } from './program.ts'
import {
  createCapacity,
  createService,
  firstTokenFile,
  keepDeadlines,
  keepTidy,
  type Retention,
  type RunFigures,
  type Service,
  thisMachine,
} from './runtime/index.ts'
import { DEFAULT_TENANT, type Tenant } from './schema/index.ts'
import { readiness, refuseDamaged, refuseFullDisk } from './readiness.ts'
import { countAllEvents, countRuns, lockServer } from './state/index.ts'

export interface ServeOptions {
  config: Config
  /** Absolute. */
  stateDir: string
  host: string
  port: number
  allowedHosts: readonly string[]
  allowedOrigins: readonly string[]
  /** Directories whose repositories every tenant may use; absolute. */
  openRoots: readonly string[]
  /** Runs at once; measured when undefined. */
  concurrency: number | undefined
  concurrencyOfTenant: number | undefined
  waitingMax: number
  waitingOfTenant: number | undefined
  /** Sandboxes of each kind that wait for their runs; none when undefined. */
  pool: { low: number; high: number } | undefined
  limits: ServerLimits
  rates: RateLimits
  /** Addresses of proxies whose `X-Forwarded-For` is believed. */
  proxies: readonly string[]
  /** What of ended runs stays; all of it when undefined. */
  retention: Retention | undefined
  /** Origins webhooks may lead to although they are not https at a public name. */
  hookOrigins: readonly string[]
  /** Authorities that receivers' certificates may come from, PEM; Node's own when undefined. */
  hookAuthorities: readonly string[] | undefined
  /** What is let out into; the machine's own network when undefined. */
  internet: Internet | undefined
  log: ServerLog
}

export interface Serving {
  url: string
  tokenFile: string
  /** Takes no new runs, tells the streams, and waits so long for those that go on. */
  drain(limitMs: number): Promise<'done' | 'left'>
}

const STREAM_TIMES = { pingMs: 15_000, sendMs: 30_000 }
const STREAMS_MAX = 2_000

/**
 * Throws `conflict` when another server has the directory or the address, `state_corrupt` when the
 * database is damaged, and as `openApp()` does.
 */
export async function openServer(options: ServeOptions): Promise<Serving> {
  const { config, stateDir, log, pool } = options
  const internet = options.internet ?? machineInternet(config.certificates)
  const program = openProgram({ config, stateDir, cwd: '/', log, pool, internet })
  const { opened } = program
  if (opened === undefined) throw new Error('Cannot serve without a state directory')
  try {
    const lock = lockServer(opened.root)
    try {
      return await serve({ ...options, internet }, program, opened, () => lock[Symbol.dispose]())
    } catch (error) {
      lock[Symbol.dispose]()
      throw error
    }
  } catch (error) {
    await program.close()
    throw error
  }
}

async function serve(
  options: ServeOptions & { internet: Internet },
  program: Program,
  opened: OpenedRuntime,
  unlock: () => void,
): Promise<Serving> {
  const { log } = options
  refuseDamaged(opened)
  const stop = new AbortController()
  const ended = { tell: (_figures: RunFigures): void => {} }
  const onEnd = (figures: RunFigures) => ended.tell(figures)
  const service = startService(options, opened, { signal: stop.signal, onEnd })
  const tokenFile = firstTokenFile(opened.root, opened.tokens)
  const background = startBackground({ opened, service }, options)
  const parts = { program, opened, service, background, ended }
  const server = await startListening(options, parts).catch(async (error: unknown) => {
    await background.stop()
    throw error
  })
  const { signal } = stop
  const { sandboxes } = program
  const runtime = opened.runtimeOf(DEFAULT_TENANT)
  void keepTidy(runtime, { sandboxes, log, signal })
  void keepDeadlines(runtime, { log, signal, now: () => Date.now() })
  return {
    url: server.url,
    tokenFile,
    async drain(limitMs) {
      service.queue.stop()
      const ended = await Promise.race([
        service.queue.idle().then(() => 'done' as const),
        new Promise<'left'>((resolve) => setTimeout(() => resolve('left'), limitMs).unref()),
      ])
      await server.close()
      await background.stop()
      // What is left is not cut off: its container lives on, and the next server takes it over.
      if (ended === 'left') return ended
      stop.abort()
      unlock()
      await program.close()
      return ended
    },
  }
}

function startService(
  options: ServeOptions,
  opened: OpenedRuntime,
  given: { signal: AbortSignal; onEnd(figures: RunFigures): void },
): Service {
  const capacity = createCapacity(thisMachine(), options.concurrency)
  return createService(
    { ...opened.deps, runtimeOf: opened.runtimeOf },
    {
      capacity,
      limits: {
        waiting: options.waitingMax,
        waitingOfTenant: options.waitingOfTenant ?? options.waitingMax,
        runningOfTenant: options.concurrencyOfTenant ?? capacity.max,
      },
      mayTake: () => refuseFullDisk(opened),
      ...given,
    },
  )
}

export interface Parts {
  program: Program
  opened: OpenedRuntime
  service: Service
  background: Background
  /** Who counts runs as they end; known once there is somebody who does. */
  ended: { tell(figures: RunFigures): void }
}

async function startListening(options: ServeOptions, parts: Parts): Promise<ApiServer> {
  const { host, port, limits, log } = options
  const { opened, service, program, background, ended } = parts
  const { createRates, createTickets, listen, metricsOf, openApiDocument, ownRoutes } =
    await loadServing()
  const { state } = opened.deps
  const tickets = createTickets(opened.deps.now)
  const server: { current: ApiServer | undefined } = { current: undefined }
  const rates = createRates(options.rates, () => performance.now())
  const metrics = metricsOf({
    refused: rates.refused,
    background: background.figures,
    counts: service.queue.counts,
    streams: () => server.current?.streams() ?? 0,
    stored: () => ({ runs: countRuns(state.db), events: countAllEvents(state.db) }),
    pool: () => poolFigures(program),
  })
  ended.tell = (figures) => {
    metrics.ran(figures)
    log.ran(figures)
  }
  const apis = new Map<Tenant, ReturnType<typeof createApi>>()
  const apiOf = (tenant: Tenant) => {
    const api = apis.get(tenant) ?? apiOfTenant(options, parts, tenant)
    if (apis.size > 256) apis.clear()
    apis.set(tenant, api)
    return api
  }
  const deps = {
    tokens: opened.tokens,
    tickets,
    known: { listen: host, hosts: options.allowedHosts, origins: options.allowedOrigins },
    rates,
    proxies: options.proxies,
    apiOf,
    runtimeOf: opened.runtimeOf,
    own: ownRoutes({
      document: openApiDocument(version()),
      metrics,
      tickets,
      ready: () => readiness(parts),
    }),
    times: STREAM_TIMES,
    streamsMax: STREAMS_MAX,
    onAnswer: (seen: Parameters<typeof metrics.answered>[0]) => {
      metrics.answered(seen)
      log.answered(seen)
    },
    onBug: (error: unknown, requestId: string | undefined) => log.bug(error, requestId),
  }
  server.current = await listen(deps, { host, port, limits })
  return server.current
}
