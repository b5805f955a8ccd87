/** The one place that builds the program and takes it apart again. */
import { createHash } from 'node:crypto'
import { realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createApi, localFetch } from './api/index.ts'
import { createContextPacks } from './context/index.ts'
import type { Config } from './config.ts'
import { createModels } from './model/index.ts'
import {
  backupState,
  BLUEPRINT_REGISTRY,
  createAdvisor,
  createCatalog,
  createDirect,
  createNewId,
  keepTidy,
  LOCAL_CALLER,
  noRuntime,
  prepareStateRoot,
  requestOfBody,
  trackWork,
  userFor,
} from './runtime/index.ts'
import { openRuntime } from './open-runtime.ts'
import type { OpenedRuntime, Program } from './program.ts'
import { localEndpoint } from './router/index.ts'
import { createSandboxes, findEngine, type Internet, type Sandboxes } from './sandbox/index.ts'
import { DEFAULT_TENANT, type Log, OpenExecError, type Run, RunRequest } from './schema/index.ts'
import { createWorkspaces, probeOverlay, type Workspaces } from './workspace/index.ts'
import { withoutSecrets } from './quiet-log.ts'
import { sharedCheckouts } from './shared-checkouts.ts'
import { poolOf } from './warm-slots.ts'

export interface AppOptions {
  config: Config
  /** Absolute; `undefined` for what is asked without any run. */
  stateDir: string | undefined
  /** Paths in requests are relative to it. */
  cwd: string
  log: Log
  /** Cancels the runs that this process executes. */
  signal: AbortSignal
  /** Starts a process that executes the run; `undefined` executes it in this one. */
  detach: ((run: Run, stateDir: string) => void) | undefined
  /** For a process that lives long: how many sandboxes of each kind wait for their runs. */
  pool?: { low: number; high: number } | undefined
  /** What sandboxes are let out into; the machine's own network when left out. */
  internet?: Internet
}

export interface App {
  fetch: typeof fetch
  /** Counters of the pool; `undefined` without one. */
  poolStats(): ReturnType<Sandboxes['poolStats']>
  /** Waits for the runs of this process, then removes everything it opened. */
  close(): Promise<void>
}

const SHIPPED_BLUEPRINTS = fileURLToPath(new URL('../blueprints/', import.meta.url))

/**
 * The program with its API in this process. Throws `repository_unsafe`, `state_unusable`,
 * `state_too_new` or `state_corrupt`. The engine is only looked for when it is needed.
 */
export function openApp(options: AppOptions): App {
  const pooled = options.pool !== undefined
  const program = openProgram({
    ...options,
    startsAtOnce: options.detach === undefined && !pooled,
  })
  const { opened } = program
  const log = withoutSecrets(options.log, (text) => opened?.deps.redact(text) ?? text)
  const running = new Set<Promise<unknown>>()
  const track = trackWork(running, (error) => tell(log, error))
  const tidying = new AbortController()
  const runtime = opened?.runtimeOf(DEFAULT_TENANT) ?? noRuntime()
  if (pooled && opened)
    track(keepTidy(runtime, { sandboxes: program.sandboxes, log, signal: tidying.signal }))
  const launch = (run: Run) => {
    if (opened === undefined) return
    if (options.detach !== undefined) return options.detach(run, opened.root)
    track(runtime.execute(run.id, { signal: options.signal }))
    // What crashed runs left is removed beside the run, not before it; a service has its own time.
    if (!pooled) track(runtime.recover({ signal: options.signal }))
  }
  const api = createApi({
    runtime,
    catalog: program.catalog,
    advisor: program.advisor,
    tokens: opened?.tokens ?? noRuntime(),
    webhooks: opened?.webhooksAt([]) ?? noRuntime(),
    schedules: opened?.schedules ?? noRuntime(),
    uploads: opened?.uploads ?? noRuntime(),
    admit() {},
    launch,
    submit: async (request, { signal }) => {
      const run = await runtime.submit(request, { signal })
      launch(run)
      return { run, again: false }
    },
    // A program of the same user, on the same machine: its request is the one the runtime knows.
    requestOf: (body, caller) =>
      typeof body.repo === 'string' || opened === undefined
        ? RunRequest.parse(body)
        : requestOfBody(
            { root: opened.root, openRoots: [], uploads: opened.uploads },
            body,
            caller,
          ),
    counts: undefined,
    backup: (directory) => backupOf(opened, directory),
    onBug: (error) => tell(log, error),
  })
  const local = localFetch(api, { ...program, onBug: (error) => tell(log, error) })
  return {
    fetch: async (input, init) => await local(new Request(input, init), LOCAL_CALLER),
    poolStats: () => program.sandboxes.poolStats(),
    async close() {
      tidying.abort()
      while (running.size > 0) await Promise.all(running)
      await program.close()
    },
  }
}

/** Throws as `openApp()` does. */
export function openProgram(
  options: Omit<AppOptions, 'signal' | 'detach'> & { startsAtOnce?: boolean },
): Program {
  const { config, stateDir, pool: pooled } = options
  const known = { redact: (text: string) => text }
  const log = withoutSecrets(options.log, (text) => known.redact(text))
  const now = Date.now
  const newId = createNewId()
  const root = stateDir === undefined ? undefined : prepareStateRoot(stateDir)
  const workspaces = workspacesAt(root, {
    config,
    isPooled: pooled !== undefined,
    sandboxes: () => sandboxes,
  })
  const sandboxes: Sandboxes = createSandboxes({
    connect: (signal) => findEngine(config.engine, signal),
    instance: instanceOf(root),
    now,
    log,
    ...(root !== undefined && pooled && { pool: poolOf(pooled, { root, workspaces, newId }) }),
  })
  const blueprints = {
    shippedDir: SHIPPED_BLUEPRINTS,
    cwd: options.cwd,
    registry: BLUEPRINT_REGISTRY,
  }
  const models = createModels({ environment: config.models, config: config.operatorFile, now })
  const indexFile = root === undefined ? ':memory:' : join(root, 'context-index.db')
  const packs = createContextPacks({ indexFile })
  const shared = { sandboxes, workspaces, blueprints, models, packs, now, newId }
  const opened =
    root === undefined ? undefined : openRuntime({ ...options, log }, { ...shared, root })
  if (opened !== undefined) known.redact = opened.deps.redact
  const catalog = createCatalog({
    ...shared,
    gitVersion: (signal) => workspaces.checkGit(signal),
    overlay: (folder, signal) => probeOverlay(folder, (seen) => sandboxes.sees(seen, { signal })),
    ...machineOf(config, root),
  })
  const advisor = createAdvisor({ ...shared, endpoint: () => localEndpoint(config.router) })
  return {
    catalog,
    advisor,
    direct: createDirect({ ...shared, root, userOf: userFor }),
    sandboxes,
    opened,
    async close() {
      try {
        await opened?.abandon()
        await sandboxes.close()
      } finally {
        opened?.dispose()
        packs[Symbol.dispose]()
      }
    },
  }
}

/** Sandboxes are only asked when a shared checkout is tried. */
function workspacesAt(
  root: string | undefined,
  {
    config,
    isPooled,
    sandboxes,
  }: { config: Config; isPooled: boolean; sandboxes: () => Sandboxes },
): Workspaces {
  const seeds = { engine: config.engine, pooled: isPooled, sandboxes }
  return createWorkspaces({
    stateDir: root ?? realpathSync(tmpdir()),
    searchPath: config.path,
    now: Date.now,
    remembers: isPooled,
    ...(root !== undefined && { seeds: sharedCheckouts(root, seeds) }),
  })
}

/** Marks what belongs to one state directory. */
function instanceOf(root = ''): string {
  return createHash('sha256').update(root).digest('hex').slice(0, 16)
}

async function backupOf(
  opened: OpenedRuntime | undefined,
  directory: string,
): Promise<{ bytes: number }> {
  if (opened === undefined) throw new OpenExecError('bad_request', 'Cannot back up without state')
  return await backupState({ state: opened.deps.state, root: opened.root }, directory)
}

/** What the doctor looks at besides the engine. */
function machineOf({ certificates }: Config, root: string | undefined) {
  return { certificates, user: userFor('doctor'), stateDir: root ?? realpathSync(tmpdir()) }
}

function tell(log: Log, error: unknown): void {
  if (error instanceof OpenExecError) log.warn(error.message)
  else log.warn(error instanceof Error ? (error.stack ?? error.message) : String(error))
}
