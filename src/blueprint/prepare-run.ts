/**
 * Everything that can be known before a run exists: repository, blueprint, policy, confinement,
 * image. Nothing is written to state; what is wrong is told at once, and no run comes of it.
 */
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { describeActions, planProject } from '../actions/index.ts'
import { PRICE_TABLE } from '../model/index.ts'
import {
  compileConfinement,
  defaultPolicy,
  overridePolicy,
  type Policy,
  policySnapshot,
  readPolicy,
  stageMode,
  widenings,
} from '../policy/index.ts'
import {
  type JsonValue,
  OpenExecError,
  type RunRequest,
  type SandboxMode,
  YAML_BYTES_MAX,
} from '../schema/index.ts'
import type { ResolvedImage, Sandboxes } from '../sandbox/index.ts'
import { TOOLSETS, toolsetsHash } from '../tools/index.ts'
import type { Source, Workspaces } from '../workspace/index.ts'
import { type Catalog, findBlueprint } from './catalog.ts'
import type { FrozenRun } from './frozen-run.ts'
import type { Plan } from './plan.ts'

export interface PrepareDeps {
  workspaces: Workspaces
  sandboxes: Sandboxes
  blueprints: Catalog
}

export interface PreparedRun extends FrozenRun {
  source: Source
  /** Wall-clock limit of the run, in `ms`. */
  wallMs: number
  /** What the user should know before it begins. */
  notices: string[]
}

const POLICY_FILE = 'openexec.policy.yaml'

/** Throws whatever is wrong with the request, each with its own code and remedy. */
export async function prepareRun(
  deps: PrepareDeps,
  request: RunRequest,
  signal: AbortSignal,
): Promise<PreparedRun> {
  const { plan: shipped } = findBlueprint(request.blueprint, deps.blueprints)
  const { repo, ref, includeDirty } = request
  const source = await deps.workspaces.openSource({ path: repo, ref, includeDirty, signal })
  const policy = policyOf(request, source.root)
  const plan = planWithModes(shipped, policy)
  const [image] = await Promise.all([
    imageOf(deps, { request, source }, signal),
    refuseUnsupported(deps, { policy, plan }, signal),
  ])
  const { snapshot, hash } = policySnapshot({
    policy,
    tools: describeTools(),
    prices: describePrices(),
    image: { name: image.name, id: image.id },
  })
  return {
    source,
    plan,
    policy,
    policyHash: hash,
    snapshot,
    image: snapshot.image,
    wallMs: Math.min(policy.limits.wall, plan.limits.max_wall),
    notices: noticesOf(request, source),
  }
}

/** The file that was named, else the one in the checkout if it only narrows, else the built-in. */
function policyOf(request: RunRequest, root: string): Policy {
  const found = join(root, POLICY_FILE)
  const named = request.policyFile
  const base = named !== undefined ? readFile(named) : existsSync(found) ? foundPolicy(found) : defaultPolicy()
  if (base.secrets.length > 0)
    throw new OpenExecError(
      'confinement_unsupported',
      `Cannot give secrets to the run: ${base.secrets.map(({ name }) => name).join(', ')}`,
      { hint: 'Secrets are attached to network requests, and no network is enforced yet: remove them' },
    )
  const { sandbox, timeoutMs } = request
  return overridePolicy(base, { from: 'operator', sandbox, timeoutMs })
}

function foundPolicy(file: string): Policy {
  const policy = readFile(file)
  const wider = widenings(policy)
  if (wider.length === 0) return policy
  throw new OpenExecError(
    'policy_denied',
    `Cannot use policy "${POLICY_FILE}" of the repository as it is: it gives more than the built-in policy (${wider.join('; ')})`,
    { hint: `If you trust who wrote it, name it: --policy ${POLICY_FILE}` },
  )
}

function readFile(file: string): Policy {
  return readPolicy({ file, text: readText(file) })
}

/** At most one byte more than is allowed, so that the YAML door sees and names an oversized file. */
function readText(path: string): string {
  try {
    const file = openSync(path, 'r')
    try {
      if (!fstatSync(file).isFile()) throw new Error('It is no regular file')
      const buffer = Buffer.alloc(YAML_BYTES_MAX + 1)
      return buffer.toString('utf8', 0, readSync(file, buffer, 0, buffer.length, 0))
    } finally {
      closeSync(file)
    }
  } catch (cause) {
    throw new OpenExecError('policy_invalid', `Cannot read policy "${path}"`, {
      hint: 'Name a file that exists and can be read',
      cause,
    })
  }
}

/** Every stage with the mode it will have. Throws `policy_denied` for one wider than the policy. */
function planWithModes(plan: Plan, policy: Policy): Plan {
  const modeOf = (wish: SandboxMode | null) =>
    stageMode(policy, { blueprint: undefined, stage: wish ?? undefined })
  const [first, ...rest] = plan.stages.map((stage) => ({ ...stage, sandbox: modeOf(stage.sandbox) }))
  if (first === undefined) throw new Error(`Cannot plan "${plan.name}": it has no stages`)
  return { ...plan, stages: [first, ...rest] }
}

/** Compiles each confinement the plan needs, so that what the engine cannot keep is refused now. */
async function refuseUnsupported(
  { sandboxes }: PrepareDeps,
  { policy, plan }: { policy: Policy; plan: Plan },
  signal: AbortSignal,
): Promise<void> {
  const { runtimes } = await sandboxes.facts({ signal })
  for (const { sandbox, network } of plan.stages)
    compileConfinement(policy, sandbox ?? policy.sandbox, {
      runtimes,
      network: network ?? undefined,
      omitsDeniedPaths: true,
    })
}

async function imageOf(
  { workspaces, sandboxes }: PrepareDeps,
  { request, source }: { request: RunRequest; source: Source },
  signal: AbortSignal,
): Promise<ResolvedImage> {
  if (request.image !== undefined) return await sandboxes.image(request.image, { signal })
  const files = await workspaces.listFiles(source.store, { tree: source.tree, signal })
  const blobs = workspaces.openBlobs(source.store, signal)
  try {
    const project = await planProject(async (path) => {
      const file = files.find((each) => each.path === path)
      if (file === undefined || file.size > PROJECT_FILE_BYTES_MAX) return undefined
      return new TextDecoder().decode(await blobs.read(file.oid, PROJECT_FILE_BYTES_MAX))
    })
    return await sandboxes.image(project.image ?? project.suggestedImage, { signal })
  } finally {
    await blobs.close()
  }
}

const PROJECT_FILE_BYTES_MAX = 262_144

function describeTools(): JsonValue {
  return { actions: describeActions(), toolsets: toolsetsHash(TOOLSETS) }
}

function describePrices(): JsonValue {
  const { version, prices } = PRICE_TABLE
  return { version, models: Object.keys(prices).sort() }
}

function noticesOf({ includeDirty }: RunRequest, { dirty, submodules, shallow }: Source): string[] {
  const count = dirty.tracked + dirty.untracked
  const notices: string[] = []
  if (count > 0 && !includeDirty)
    notices.push(
      `${count} uncommitted ${count === 1 ? 'change is' : 'changes are'} not part of this run: it starts from the commit (use --include-dirty to take them in)`,
    )
  if (submodules.length > 0)
    notices.push(
      `Submodules are empty directories in the sandbox: ${submodules.slice(0, 10).join(', ')}`,
    )
  if (shallow) notices.push('The repository is shallow: history in the sandbox ends where yours does')
  return notices
}
