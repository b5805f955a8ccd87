/** Builds the server out of the program: queue, gate, streams, figures, and how all of it ends. */
import { readFileSync } from 'node:fs'
import {
  type ApiServer,
  createApi,
  loadServing,
  type ServerLimits,
  type ServerLog,
} from './api/index.ts'
import { openProgram } from './app.ts'
import type { Config } from './config.ts'
import type { OpenedRuntime, Program } from './program.ts'
import {
  backupState,
  createCapacity,
  createService,
  firstTokenFile,
  keepTidy,
  requestOfBody,
  type Service,
  thisMachine,
} from './runtime/index.ts'
import { DEFAULT_TENANT, OpenExecError, type Tenant } from './schema/index.ts'
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
  /** Sandboxes of each kind that wait for their runs; none when undefined. */
  pool: { low: number; high: number } | undefined
  limits: ServerLimits
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
  const program = openProgram({ config, stateDir, cwd: '/', log, pool })
  const { opened } = program
  if (opened === undefined) throw new Error('Cannot serve without a state directory')
  try {
    const lock = lockServer(opened.root)
    try {
      return await serve(options, program, opened, () => lock[Symbol.dispose]())
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
  options: ServeOptions,
  program: Program,
  opened: OpenedRuntime,
  unlock: () => void,
): Promise<Serving> {
  const { log } = options
  refuseDamaged(opened)
  const stop = new AbortController()
  const service = startService(options, opened, stop.signal)
  const tokenFile = firstTokenFile(opened.root, opened.tokens)
  const server = await startListening(options, { program, opened, service })
  const { signal } = stop
  const { sandboxes } = program
  void keepTidy(opened.runtimeOf(DEFAULT_TENANT), { sandboxes, log, signal })
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
      // What is left is not cut off: its container lives on, and the next server takes it over.
      if (ended === 'left') return ended
      stop.abort()
      unlock()
      await program.close()
      return ended
    },
  }
}

function startService(options: ServeOptions, opened: OpenedRuntime, signal: AbortSignal): Service {
  const capacity = createCapacity(thisMachine(), options.concurrency)
  return createService(
    { ...opened.deps, runtimeOf: opened.runtimeOf },
    {
      capacity,
      limits: {
        waiting: options.waitingMax,
        waitingOfTenant: options.waitingMax,
        runningOfTenant: options.concurrencyOfTenant ?? capacity.max,
      },
      signal,
    },
  )
}

interface Parts {
  program: Program
  opened: OpenedRuntime
  service: Service
}

async function startListening(options: ServeOptions, parts: Parts): Promise<ApiServer> {
  const { host, port, limits, log } = options
  const { opened, service, program } = parts
  const { createTickets, listen, metricsOf, openApiDocument, ownRoutes } = await loadServing()
  const { state } = opened.deps
  const tickets = createTickets(opened.deps.now)
  const server: { current: ApiServer | undefined } = { current: undefined }
  const metrics = metricsOf({
    counts: service.queue.counts,
    streams: () => server.current?.streams() ?? 0,
    stored: () => ({ runs: countRuns(state.db), events: countAllEvents(state.db) }),
    pool: () => poolFigures(program),
  })
  const apis = new Map<Tenant, ReturnType<typeof createApi>>()
  const apiOf = (tenant: Tenant) => {
    const api = apis.get(tenant) ?? apiOfTenant(options, parts, tenant)
    if (apis.size > 256) apis.clear()
    apis.set(tenant, api)
    return api
  }
  const ready = () => readiness(program, service)
  const deps = {
    tokens: opened.tokens,
    tickets,
    known: { listen: host, hosts: options.allowedHosts, origins: options.allowedOrigins },
    apiOf,
    runtimeOf: opened.runtimeOf,
    own: ownRoutes({ document: openApiDocument(version()), metrics, tickets, ready }),
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

function apiOfTenant(options: ServeOptions, { program, opened, service }: Parts, tenant: Tenant) {
  const { root, tokens, uploads } = opened
  const { openRoots } = options
  return createApi({
    runtime: opened.runtimeOf(tenant),
    catalog: program.catalog,
    advisor: program.advisor,
    tokens,
    uploads,
    admit: () => service.queue.admit(tenant),
    launch: service.resume,
    submit: (request, place) => service.submit(tenant, request, place),
    requestOf: (body, caller) => requestOfBody({ root, openRoots, uploads }, body, caller),
    counts: service.queue.counts,
    backup: (directory) => backupState({ state: opened.deps.state, root }, directory),
    onBug: (error, requestId) => options.log.bug(error, requestId),
  })
}

/** How long the engine may take to answer, in `ms`. */
const READY_MS = 3_000

/** Throws `unavailable` with what is missing. */
async function readiness({ sandboxes }: Program, { queue }: Service): Promise<void> {
  if (queue.isStopped())
    throw new OpenExecError('unavailable', 'Cannot take runs: the server is ending')
  try {
    await sandboxes.facts({ signal: AbortSignal.timeout(READY_MS) })
  } catch (cause) {
    throw new OpenExecError(
      'unavailable',
      'Cannot take runs: the container engine does not answer',
      {
        hint: 'Run `openexec doctor` on the machine of the server',
        cause,
      },
    )
  }
}

function refuseDamaged({ deps: { state } }: OpenedRuntime): void {
  const found = state.checkIntegrity()
  if (found === 'ok') return
  throw new OpenExecError('state_corrupt', `Cannot serve: the database is damaged: ${found[0]}`, {
    hint: 'Restore a copy made with `openexec backup`',
  })
}

/** Counters of the pool by name; none without one. */
function poolFigures({ sandboxes }: Program): Record<string, number> {
  const stats = sandboxes.poolStats()
  if (stats === undefined) return {}
  const { hits, misses, unhealthy, opened, failures, kinds } = stats
  const waiting = kinds.reduce((sum, kind) => sum + kind.waiting, 0)
  return { hits, misses, unhealthy, opened, failures, waiting }
}

function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  const parsed: unknown = JSON.parse(text)
  return String(Reflect.get(Object(parsed), 'version'))
}
