/** Builds everything that belongs to one state directory: state, timeline, artifacts, engine, runtime. */
import { join } from 'node:path'
import { createArtifacts } from './artifacts/index.ts'
import {
  createEngine,
  type Engine,
  type EnvironmentDeps,
  loadRun,
  presetHosts,
} from './blueprint/index.ts'
import { createCache, DEFAULT_CACHE_LIMITS } from './cache/index.ts'
import { type Config, ownSecrets } from './config.ts'
import type { ContextPacks } from './context/index.ts'
import { createRunRedactors, createTimeline, type RunRedactors } from './events/index.ts'
import { type Models, readOperatorSecrets, selectModel } from './model/index.ts'
import type { OpenedRuntime } from './program.ts'
import {
  createBringSource,
  type createCatalog,
  createHandover,
  type createNewId,
  createSchedules,
  createTokens,
  createUploads,
  createWebhooks,
  executionSignal,
  readGitSettings,
  type RuntimeDeps,
  runtimesByTenant,
  userFor,
} from './runtime/index.ts'
import { createGateway, type Internet, machineInternet, type Sandboxes } from './sandbox/index.ts'
import type { Log, RunId } from './schema/index.ts'
import { countEvents, openState, type State } from './state/index.ts'
import type { Workspaces } from './workspace/index.ts'

/** What the whole program shares. */
export interface Shared {
  root: string
  sandboxes: Sandboxes
  workspaces: Workspaces
  models: Models
  packs: ContextPacks
  blueprints: Parameters<typeof createCatalog>[0]['blueprints']
  now(): number
  newId: ReturnType<typeof createNewId>
}

/** State, and everything that works on it. */
export function openRuntime(
  {
    log,
    config,
    startsAtOnce = false,
    internet,
  }: { log: Log; config: Config; startsAtOnce?: boolean; internet?: Internet },
  shared: Shared,
): OpenedRuntime {
  const { root, now, newId, models } = shared
  const outside = internet ?? machineInternet(config.certificates)
  const state = openState({ file: join(root, 'openexec.db') })
  const redactors = createRunRedactors(ownSecrets(config))
  const redact = (text: string) => redactors.text(text)
  const mirror = { runsDir: join(root, 'runs'), log }
  const timeline = createTimeline({ state, now, redactorOf: redactors.of, mirror })
  const artifacts = createArtifacts({ state, root, now, newId, log })
  const cache = createCache({ state, now, limits: DEFAULT_CACHE_LIMITS })
  const secretSources = secretSourcesOf(config)
  const base = { ...shared, state, timeline, artifacts, cache, redactors, redact, secretSources }
  const seen = createHandover()
  const environment: EnvironmentDeps = {
    ...base,
    gateway: createGateway(outside),
    userOf: userFor,
    takeSeen: seen.take,
    modelOf: modelOf(models, state),
  }
  const engine = forgetful(
    redactors,
    createEngine({
      ...base,
      load: (run) => loadRun(environment, run),
      watch: (id, until) => executionSignal({ state, now }, id, until),
    }),
  )
  const given = givenOf(config, { ...shared, startsAtOnce, keepSeen: seen.keep, internet: outside })
  const deps = { ...base, ...given, engine, failures: new Map<RunId, unknown>() }
  const tokens = createTokens({ state, now, newId })
  return {
    root,
    deps,
    tokens,
    schedules: createSchedules({ state, now, newId, record: tokens.record }),
    webhooksAt: (allowed) => createWebhooks({ state, now, newId, record: tokens.record }, allowed),
    uploads: createUploads({ workspaces: shared.workspaces, root, now }),
    runtimeOf: runtimesByTenant(deps),
    abandon: seen.close,
    dispose() {
      timeline[Symbol.dispose]()
      state[Symbol.dispose]()
    },
  }
}

/** What runs are submitted with. */
function givenOf(
  config: Config,
  {
    workspaces,
    models,
    internet,
    ...rest
  }: Pick<Shared, 'workspaces' | 'models'> &
    Pick<RuntimeDeps, 'startsAtOnce' | 'keepSeen'> & { internet: Internet },
) {
  const { startsAtOnce, keepSeen } = rest
  return {
    startsAtOnce,
    keepSeen,
    userOf: userFor,
    chooseModel: models.choose,
    presets: () => presetHosts(config.presets),
    checkModelScript: async (scriptFile: string) =>
      void (await selectModel({ other: undefined, scriptFile, callsBefore: 0 })),
    bringSource: createBringSource({
      workspaces,
      internet,
      settings: () => readGitSettings(config.operatorFile),
      tokens: config.gitTokens,
      authorities: config.certificates['SSL_CERT_FILE'],
    }),
  }
}

function modelOf(models: Models, state: State): EnvironmentDeps['modelOf'] {
  return (run, choice) =>
    selectModel({
      other: choice && (() => models.open(choice, { run: run.id, cassette: run.request.cassette })),
      scriptFile: run.request.modelScript,
      callsBefore: countEvents(state.db, run.id, 'model_invocation'),
    })
}

/** Values of secrets go when the run is over here. */
function forgetful(redactors: RunRedactors, engine: Engine): Engine {
  return {
    async executeRun(id, caller) {
      try {
        return await engine.executeRun(id, caller)
      } finally {
        redactors.forget(id)
      }
    },
  }
}

function secretSourcesOf(config: Config): EnvironmentDeps['secretSources'] {
  return {
    variable: config.variable,
    commandEnv: { PATH: config.path, HOME: config.presets.home },
    declared: () => readOperatorSecrets(config.operatorFile),
  }
}
