/**
 * Everything that can be known before a run exists: repository, blueprint, policy, confinement,
 * image. Nothing is written to state; what is wrong is told at once, and no run comes of it.
 */
import { setImmediate } from 'node:timers/promises'
import {
  compileConfinement,
  type Policy,
  policySnapshot,
  type PresetHosts,
  stageMode,
} from '../policy/index.ts'
import {
  type ModelChoice,
  OpenExecError,
  type RunId,
  type RunRequest,
  type Tenant,
} from '../schema/index.ts'
import type { ModelWish } from '../model/index.ts'
import type { Sandboxes } from '../sandbox/index.ts'
import { routeRequest } from '../router/index.ts'
import type { Source, Workspaces } from '../workspace/index.ts'
import { type Catalog, findBlueprint, listBlueprints } from './catalog.ts'
import type { FrozenRun } from './frozen-run.ts'
import type { Plan } from './plan.ts'
import { type HeadStart, type HeadStartDeps, startAhead } from './head-start.ts'
import { plainText } from './plain-text.ts'
import { needsProject } from './plan-project.ts'
import { policyOf, refuseSecrets } from './run-policy.ts'
import type { SecretSources } from './secret-values.ts'
import { describePrices, describeTools } from './program-facts.ts'
import { baseNotices, NOTHING_READ, readBase } from './read-base.ts'
import { modelNotices, sourceNotices } from './run-notices.ts'
import { sourceOf } from './run-source.ts'

export interface PrepareDeps {
  workspaces: Workspaces
  sandboxes: Sandboxes
  blueprints: Catalog
  /** Throws `config_invalid` for a script of the scripted model that cannot be used. */
  checkModelScript(file: string): Promise<void>
  /** `undefined` when there is none. Throws `config_invalid`, `policy_denied`. */
  chooseModel(wish: ModelWish, signal: AbortSignal): Promise<ModelChoice | undefined>
  /** Hosts that this machine is configured for. */
  presets(): PresetHosts
  secretSources: SecretSources
  tenant: Tenant
}

export interface PreparedRun extends FrozenRun {
  source: Source
  /** Its first sandbox, if that could be started already. Who does not go on with the run abandons it. */
  head: HeadStart | undefined
  /** Wall-clock limit of the run, in `ms`. */
  wallMs: number
  /** What the user should know before it begins. */
  notices: string[]
}

/** Throws whatever is wrong with the request, each with its own code and remedy. */
export async function prepareRun(
  deps: PrepareDeps,
  { id, request, ahead }: { id: RunId; request: RunRequest; ahead: HeadStartDeps | undefined },
  signal: AbortSignal,
): Promise<PreparedRun> {
  const chosen = chooseBlueprint(request, deps.blueprints)
  const { plan: shipped } = findBlueprint(chosen.blueprint, deps.blueprints)
  const model = await modelOf(deps, { request, plan: shipped }, signal)
  const { image: named } = request
  // The engine is asked while git is; what is wrong with the repository is told first.
  const facts = begun(deps.sandboxes.facts({ signal }))
  const known = named === undefined ? undefined : begun(deps.sandboxes.image(named, { signal }))
  const source = begun(sent().then(() => sourceOf(deps.workspaces, request, signal)))
  const asked = { request, plan: shipped, facts, known, source }
  const frame = await frameOf(deps, asked, signal).catch(async (error: unknown) => {
    await source
    throw error
  })
  const head =
    ahead && known && startAhead(ahead, { ...frame, run: id, image: await known }, frame.runtimes)
  try {
    const frozen = await freeze(deps, { ...frame, source: await source, known, model }, signal)
    const notices = [...chosen.notices, ...sourceNotices(request, frozen.source)]
    return {
      ...frozen,
      head,
      notices: [...notices, ...modelNotices(model, frozen.plan), ...frozen.notices].map((text) =>
        plainText(text),
      ),
    }
  } catch (error) {
    await head?.abandon()
    throw error
  }
}

interface Asked {
  request: RunRequest
  plan: Plan
  facts: ReturnType<Sandboxes['facts']>
  known: ReturnType<Sandboxes['image']> | undefined
  source: Promise<Source>
}

/** What does not depend on the commit, but for the policy of a repository without a checkout. */
async function frameOf(
  deps: PrepareDeps,
  { request, plan: shipped, facts, known, source }: Asked,
  signal: AbortSignal,
) {
  const { root, objectDirs } = await deps.workspaces.locate(request.repo, signal)
  const policy = await policyOf(deps, { request, root, source }, signal)
  const plan = planWithModes(shipped, policy)
  await refuseSecrets(deps, { request, policy }, signal)
  const { runtimes } = await facts
  refuseUnsupported(runtimes, { policy, plan })
  await known
  return { policy, plan, runtimes, objectDirs, acceptDegraded: request.acceptDegraded }
}

async function freeze(
  deps: PrepareDeps,
  {
    source,
    policy,
    plan,
    known,
    model,
  }: Pick<PreparedRun, 'source' | 'policy' | 'plan'> &
    Pick<Asked, 'known'> & { model: ModelChoice | undefined },
  signal: AbortSignal,
): Promise<Omit<PreparedRun, 'head'>> {
  const base =
    known === undefined || needsProject(plan)
      ? await readBase(deps, { source, plan, policy }, signal)
      : NOTHING_READ
  const fitting = base.project.image ?? base.project.suggestedImage
  const image = await (known ?? deps.sandboxes.image(fitting, { signal }))
  const { snapshot, hash } = policySnapshot({
    policy,
    tools: describeTools(),
    prices: describePrices(),
    image: { name: image.name, id: image.id },
    model,
    skills: base.skills.skills,
    mcp: base.mcp.servers,
  })
  return {
    source,
    plan,
    policy,
    policyHash: hash,
    snapshot,
    image: snapshot.image,
    wallMs: Math.min(policy.limits.wall, plan.limits.max_wall),
    notices: baseNotices(base),
  }
}

/** Chosen now and frozen with the run; a script is only looked at. */
async function modelOf(
  deps: PrepareDeps,
  { request, plan }: { request: RunRequest; plan: Plan },
  signal: AbortSignal,
): Promise<ModelChoice | undefined> {
  const { modelScript, model: named, localModelOnly: localOnly = false } = request
  if (!plan.stages.some(({ type }) => type === 'agent')) return undefined
  if (modelScript === undefined) return await deps.chooseModel({ named, localOnly }, signal)
  await deps.checkModelScript(modelScript)
  return undefined
}

/** In two turns of the event loop requests are on their way; starting git holds the next ones up. */
async function sent(): Promise<void> {
  await setImmediate()
  await setImmediate()
}

/** Its failure may come before anybody waits for it. */
function begun<T>(work: Promise<T>): Promise<T> {
  work.catch(() => {})
  return work
}

/** The one that was named, else what the router makes of the task. Throws `bad_request` when unsure. */
function chooseBlueprint(
  { blueprint, task }: RunRequest,
  catalog: Catalog,
): { blueprint: string; notices: string[] } {
  if (blueprint !== undefined) return { blueprint, notices: [] }
  const names = listBlueprints(catalog).map(({ plan }) => plan.name)
  const flags = { blueprint: undefined, toolset: undefined, mode: undefined }
  const route = routeRequest({ text: task, ...flags, blueprints: names })
  if (route.mode !== 'run')
    throw new OpenExecError('bad_request', 'Cannot tell from the task which blueprint to run', {
      hint: `Name one: ${names.join(', ')}`,
      details: { reasons: route.reasons, intent: route.intent.kind },
    })
  const because = route.reasons.join('; ')
  return {
    blueprint: route.blueprint,
    notices: [`Blueprint "${route.blueprint}" was chosen by ${route.decided_by}: ${because}`],
  }
}

/** Every stage with the mode it will have. Throws `policy_denied` for one wider than the policy. */
function planWithModes(plan: Plan, policy: Policy): Plan {
  const [first, ...rest] = plan.stages.map((stage) => {
    const wish = stage.sandbox ?? undefined
    const isOwn = stage.sandboxFrom === 'stage'
    const wishes = { stage: isOwn ? wish : undefined, blueprint: isOwn ? undefined : wish }
    return { ...stage, sandbox: stageMode(policy, wishes), sandboxFrom: 'stage' as const }
  })
  if (first === undefined) throw new Error(`Cannot plan "${plan.name}": it has no stages`)
  return { ...plan, stages: [first, ...rest] }
}

/** Compiles each confinement the plan needs, so that what the engine cannot keep is refused now. */
function refuseUnsupported(
  runtimes: readonly string[],
  { policy, plan }: { policy: Policy; plan: Plan },
): void {
  for (const { sandbox, network } of plan.stages)
    compileConfinement(policy, sandbox ?? policy.sandbox, {
      runtimes,
      network: network ?? undefined,
      omitsDeniedPaths: true,
    })
}
