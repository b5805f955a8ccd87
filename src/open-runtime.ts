/** Builds everything that belongs to one state directory: state, timeline, artifacts, engine, runtime. */
import { join } from 'node:path'
import { createArtifacts } from './artifacts/index.ts'
import { createEngine, type EnvironmentDeps, loadRun, presetHosts } from './blueprint/index.ts'
import { createCache, DEFAULT_CACHE_LIMITS } from './cache/index.ts'
import { type Config, modelKeys } from './config.ts'
import type { ContextPacks } from './context/index.ts'
import { createRedactor, createTimeline } from './events/index.ts'
import { type Models, selectModel } from './model/index.ts'
import type { OpenedRuntime } from './program.ts'
import {
  createBringSource,
  type createCatalog,
  createHandover,
  type createNewId,
  createTokens,
  createUploads,
  executionSignal,
  readGitSettings,
  runtimesByTenant,
  userFor,
} from './runtime/index.ts'
import { createGateway, INTERNET, type Internet, type Sandboxes } from './sandbox/index.ts'
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
    internet = INTERNET,
  }: { log: Log; config: Config; startsAtOnce?: boolean; internet?: Internet },
  shared: Shared,
): OpenedRuntime {
  const { root, now, newId, models } = shared
  const state = openState({ file: join(root, 'openexec.db') })
  const redactor = createRedactor(modelKeys(config))
  const redact = (text: string) => redactor.text(text)
  const mirror = { runsDir: join(root, 'runs'), log }
  const timeline = createTimeline({ state, now, redactorOf: () => redactor, mirror })
  const artifacts = createArtifacts({ state, root, now, newId, log })
  const cache = createCache({ state, now, limits: DEFAULT_CACHE_LIMITS })
  const base = { ...shared, state, timeline, artifacts, cache, redactor, redact }
  const seen = createHandover()
  const environment: EnvironmentDeps = {
    ...base,
    gateway: createGateway(internet),
    userOf: userFor,
    takeSeen: seen.take,
    modelOf: modelOf(models, state),
  }
  const engine = createEngine({
    ...base,
    load: (run) => loadRun(environment, run),
    watch: (id, until) => executionSignal({ state, now }, id, until),
  })
  const checkModelScript = async (scriptFile: string) =>
    void (await selectModel({ other: undefined, scriptFile, callsBefore: 0 }))
  const presets = () => presetHosts(config.presets)
  const bringSource = createBringSource({
    workspaces: shared.workspaces,
    internet,
    settings: () => readGitSettings(config.operatorFile),
    tokens: config.gitTokens,
    authorities: config.certificates['SSL_CERT_FILE'],
  })
  const given = {
    bringSource,
    keepSeen: seen.keep,
    startsAtOnce,
    userOf: userFor,
    checkModelScript,
    presets,
    chooseModel: models.choose,
  }
  const deps = { ...base, ...given, engine, failures: new Map<RunId, unknown>() }
  return {
    root,
    deps,
    tokens: createTokens({ state, now, newId }),
    uploads: createUploads({ workspaces: shared.workspaces, root, now }),
    runtimeOf: runtimesByTenant(deps),
    abandon: seen.close,
    dispose() {
      timeline[Symbol.dispose]()
      state[Symbol.dispose]()
    },
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
