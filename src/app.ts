/** The one place that builds the program and takes it apart again. */
import { createHash } from 'node:crypto'
import { realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createApi } from './api/index.ts'
import { createArtifacts } from './artifacts/index.ts'
import { createEngine, type EnvironmentDeps, loadRun, presetHosts } from './blueprint/index.ts'
import { type ContextPacks, createContextPacks } from './context/index.ts'
import { createCache, DEFAULT_CACHE_LIMITS } from './cache/index.ts'
import type { Config } from './config.ts'
import { createRedactor, createTimeline } from './events/index.ts'
import { createModels, type Models, selectModel } from './model/index.ts'
import {
  BLUEPRINT_REGISTRY,
  createAdvisor,
  createCatalog,
  createNewId,
  createRuntime,
  executionSignal,
  keepTidy,
  noRuntime,
  prepareStateRoot,
  type Runtime,
  trackWork,
} from './runtime/index.ts'
import { localEndpoint } from './router/index.ts'
import {
  createGateway,
  createSandboxes,
  findEngine,
  INTERNET,
  type Internet,
  type Sandboxes,
} from './sandbox/index.ts'
import { type Log, OpenExecError, type Run, type RunId } from './schema/index.ts'
import { countEvents, openState } from './state/index.ts'
import { createWorkspaces, type Source, type Workspaces } from './workspace/index.ts'

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
/** User ids of sandboxes when the orchestrator is root: one for each run, owned by nobody else. */
const UID_BASE = 200_000
const UID_RANGE = 65_536

/**
 * Throws `repository_unsafe`, `state_unusable`, `state_too_new` or `state_corrupt`. The engine is
 * only looked for when it is needed.
 */
export function openApp(options: AppOptions): App {
  const { config, stateDir, log, pool: pooled } = options
  const now = Date.now
  const newId = createNewId()
  const root = stateDir === undefined ? undefined : prepareStateRoot(stateDir)
  const workspaces = createWorkspaces({
    stateDir: root ?? realpathSync(tmpdir()),
    searchPath: config.path,
    now,
    remembers: pooled !== undefined,
  })
  const sandboxes = createSandboxes({
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
  const packs = openPacks(root)
  const shared = { sandboxes, workspaces, blueprints, models, packs, now, newId }
  const opened = root === undefined ? undefined : openRuntime(options, { ...shared, root })
  const running = new Set<Promise<unknown>>()
  const track = trackWork(running, (error) => tell(log, error))
  const tidying = new AbortController()
  if (pooled && opened) track(keepTidy(opened.runtime, { sandboxes, log, signal: tidying.signal }))
  const launch = (run: Run) => {
    if (opened === undefined || root === undefined) return
    if (options.detach !== undefined) return options.detach(run, root)
    track(opened.runtime.execute(run.id, { signal: options.signal }))
    // What crashed runs left is removed beside the run, not before it; a service has its own time.
    if (pooled === undefined) track(opened.runtime.recover({ signal: options.signal }))
  }
  const catalog = createCatalog({
    ...shared,
    gitVersion: (signal) => workspaces.checkGit(signal),
    user: userFor('doctor'),
  })
  const runtime = opened?.runtime ?? noRuntime()
  const advisor = createAdvisor({ ...shared, endpoint: () => localEndpoint(config.router) })
  const api = createApi({ runtime, catalog, advisor, launch, onBug: (error) => tell(log, error) })
  return {
    fetch: async (input, init) => await api.fetch(new Request(input, init)),
    poolStats: () => sandboxes.poolStats(),
    async close() {
      tidying.abort()
      try {
        while (running.size > 0) await Promise.all(running)
        await sandboxes.close()
      } finally {
        opened?.dispose()
        packs[Symbol.dispose]()
      }
    },
  }
}

/** Marks what belongs to one state directory. */
function instanceOf(root = ''): string {
  return createHash('sha256').update(root).digest('hex').slice(0, 16)
}

function openPacks(root: string | undefined): ContextPacks {
  const indexFile = root === undefined ? ':memory:' : join(root, 'context-index.db')
  return createContextPacks({ indexFile })
}

/** A slot that waits has a user of its own, as every run has. */
function poolOf(
  marks: { low: number; high: number },
  { root, workspaces, newId }: Pick<Shared, 'root' | 'workspaces' | 'newId'>,
) {
  return {
    ...marks,
    newId,
    directory: join(root, 'pool'),
    makeSlot(slotDir: string) {
      const user = userFor(slotDir)
      workspaces.premake(slotDir, user)
      return user
    },
  }
}

interface Shared {
  root: string
  sandboxes: Sandboxes
  workspaces: Workspaces
  models: Models
  packs: ContextPacks
  blueprints: Parameters<typeof createCatalog>[0]['blueprints']
  now(): number
  newId: ReturnType<typeof createNewId>
}

function openRuntime(
  { log, config, internet = INTERNET }: AppOptions,
  shared: Shared,
): { runtime: Runtime; dispose(): void } {
  const { root, now, newId, models } = shared
  const state = openState({ file: join(root, 'openexec.db') })
  const redactor = createRedactor(modelKeys(config))
  const redact = (text: string) => redactor.text(text)
  const mirror = { runsDir: join(root, 'runs'), log }
  const timeline = createTimeline({ state, now, redactorOf: () => redactor, mirror })
  const artifacts = createArtifacts({ state, root, now, newId, log })
  const cache = createCache({ state, now, limits: DEFAULT_CACHE_LIMITS })
  const base = { ...shared, state, timeline, artifacts, cache, redactor, redact }
  const sources = createHandover()
  const environment: EnvironmentDeps = {
    ...base,
    gateway: createGateway(internet),
    userOf: userFor,
    takeSource: sources.take,
    modelOf: (run, choice) =>
      selectModel({
        other:
          choice && (() => models.open(choice, { run: run.id, cassette: run.request.cassette })),
        scriptFile: run.request.modelScript,
        callsBefore: countEvents(state.db, run.id, 'model_invocation'),
      }),
  }
  const engine = createEngine({
    ...base,
    load: (run) => loadRun(environment, run),
    watch: (id, until) => executionSignal({ state, now }, id, until),
  })
  const checkModelScript = async (scriptFile: string) =>
    void (await selectModel({ other: undefined, scriptFile, callsBefore: 0 }))
  const keepSource = sources.keep
  const presets = () => presetHosts(config.presets)
  const runtime = createRuntime({
    ...base,
    engine,
    keepSource,
    checkModelScript,
    presets,
    chooseModel: models.choose,
  })
  return {
    runtime,
    dispose() {
      timeline[Symbol.dispose]()
      state[Symbol.dispose]()
    },
  }
}

/** Runs that were submitted and not begun, of which this remembers what was seen of the repository. */
const KEPT_MAX = 64

/** A run that this process begins right after it was submitted need not look at its repository twice. */
function createHandover(): {
  keep(id: RunId, source: Source): void
  take(id: RunId): Source | undefined
} {
  const kept = new Map<RunId, Source>()
  return {
    keep(id, source) {
      kept.set(id, source)
      const [oldest] = kept.keys()
      if (kept.size > KEPT_MAX && oldest !== undefined) kept.delete(oldest)
    },
    take(id) {
      const source = kept.get(id)
      kept.delete(id)
      return source
    },
  }
}

/** Too short ones stand everywhere, and no provider gives any out. */
const KEY_CHARS_MIN = 8

/** Keys of models are taken out of everything that is recorded. */
function modelKeys({ models }: Config): { name: string; value: string }[] {
  return [models.anthropicKey, models.openaiKey, models.ownKey].flatMap((value) =>
    value === undefined || value.length < KEY_CHARS_MIN ? [] : [{ name: 'model_key', value }],
  )
}

/** The caller's own user, or one of nobody's when the caller is root. */
function userFor(name: string): { uid: number; gid: number } {
  const [uid, gid] = [process.getuid?.() ?? UID_BASE, process.getgid?.() ?? UID_BASE]
  if (uid !== 0) return { uid, gid: gid === 0 ? uid : gid }
  const digest = createHash('sha256').update(name).digest().readUInt32BE(0)
  const own = UID_BASE + (digest % UID_RANGE)
  return { uid: own, gid: own }
}

function tell(log: Log, error: unknown): void {
  if (error instanceof OpenExecError) log.warn(error.message)
  else log.warn(error instanceof Error ? (error.stack ?? error.message) : String(error))
}
