/**
 * The world of one run: its workspace, its sandboxes, its checkpoints. Opened once, closed whatever
 * happens; after `close()` nothing of the run is on the machine but what state and store hold.
 */
import {
  createRunSandboxes,
  createRunTree,
  type EarlySandbox,
  NO_PROJECT,
  type OwnedTree,
  planProject,
  type ProjectPlan,
  type RunSandboxes,
} from '../actions/index.ts'
import {
  GitOid,
  type ModelChoice,
  type NewEvent,
  type Run,
  type RunId,
  type Step,
} from '../schema/index.ts'
import type { Gateway, RunSide, Sandbox, Sandboxes } from '../sandbox/index.ts'
import type { Db } from '../state/index.ts'
import {
  slotUsage,
  SNAPSHOT_LIMITS,
  type Source,
  type Workspace,
  type Workspaces,
} from '../workspace/index.ts'
import { checkpointStage, unchanged } from './checkpoint-stage.ts'
import { createWarmClaim } from './claim-warm.ts'
import type { Environment } from './engine.ts'
import type { FrozenRun } from './frozen-run.ts'
import type { HeadStart } from './head-start.ts'
import { describeProject, needsProject, readBaseText } from './plan-project.ts'
import { performStage } from './perform-stage.ts'
import { removeRemains } from './remove-remains.ts'
import { placeFor } from './place-for.ts'
import { openRunPlace } from './run-place.ts'
import { openRunSide, type RunSideDeps } from './run-side.ts'
import { touching } from './touching-sandboxes.ts'
import { createdEvent } from './workspace-event.ts'
import type { StageDeps } from './stage-scope.ts'

type OwnToRun =
  | 'run'
  | 'plan'
  | 'policy'
  | 'policyHash'
  | 'skills'
  | 'mcp'
  | 'project'
  | 'tree'
  | 'sandboxes'
  | 'startedAt'
  | 'model'
  | 'redactor'

export interface EnvironmentDeps extends Omit<StageDeps, OwnToRun>, RunSideDeps {
  workspaces: Workspaces
  sandboxes: Sandboxes
  gateway: Gateway
  /** Whom the workspace of a run belongs to inside. */
  userOf(id: RunId): { uid: number; gid: number }
  /** Throws `no_model_configured`. */
  modelOf(run: Run, choice: ModelChoice | undefined): ReturnType<StageDeps['model']>
  /** The repository of a run as it was seen when it was submitted, if by this process just now. */
  takeSeen(id: RunId): { source?: Source; head?: HeadStart | undefined }
}

/** Throws what opening a repository, a workspace or an artifact throws; nothing is left then. */
export async function openEnvironment(
  deps: EnvironmentDeps,
  { run, frozen }: { run: Run; frozen: FrozenRun },
  signal: AbortSignal,
): Promise<Environment> {
  const { source, head } = deps.takeSeen(run.id)
  try {
    return await openWith(deps, { run, frozen, seen: source, head }, signal)
  } catch (error) {
    await head?.abandon()
    throw error
  }
}

interface Begun {
  run: Run
  frozen: FrozenRun
  /** What was seen of the repository when the run was submitted. */
  seen: Source | undefined
  head: HeadStart | undefined
}

async function openWith(
  deps: EnvironmentDeps,
  { run, frozen, seen, head }: Begun,
  signal: AbortSignal,
): Promise<Environment> {
  const { workspaces } = deps
  // Before anything is started: a run that cannot end well should not begin.
  if (frozen.plan.stages.some(({ type }) => type === 'agent'))
    await deps.modelOf(run, frozen.snapshot.model)
  const side = await openRunSide(deps, { run, frozen }, signal)
  if (run.startedAt !== undefined) await removeRemains(deps, run.id, signal)
  const place = await openRunPlace(deps, { run, frozen, seen, isMade: head !== undefined }, signal)
  const { source, slotDir } = place
  const warm = createWarmClaim(deps, { frozen, slotDir, head }, signal)
  const workspace = await placeFor(deps, { run, frozen, place, warm }, signal)
  const append = (tx: Db, events: readonly NewEvent[]) =>
    void deps.timeline.append(tx, run.id, events)
  const tree = createRunTree({ workspaces, workspace }, signal)
  try {
    const project = needsProject(frozen.plan)
      ? await planProject((path) => readBaseText(tree, path))
      : undefined
    const notices: NewEvent[] = project === undefined ? [] : [describeProject(project)]
    deps.state.transact((tx) => append(tx, [createdEvent(workspace, source), ...notices]))
    const commits = { last: undefined }
    const opened = {
      run,
      frozen,
      side,
      workspace,
      source,
      append,
      tree,
      commits,
      goesOn: undefined,
    }
    return assemble(deps, { ...opened, early: warm.claimed, project: project ?? NO_PROJECT })
  } catch (error) {
    await Promise.allSettled([tree.close(), workspace.settled(), warm.claimed?.close()])
    await workspaces.remove(slotDir)
    throw error
  }
}

export interface Opened {
  run: Run
  frozen: FrozenRun
  side: RunSide
  workspace: Workspace
  source: Source
  append(tx: Db, events: readonly NewEvent[]): void
  tree: OwnedTree
  project: ProjectPlan
  early: EarlySandbox | undefined
  /** The attempt of an earlier process that goes on, and its sandbox. */
  goesOn: { step: Step; digest: string; stage: string; sandbox: Sandbox } | undefined
  /** The last commit of the sandbox's own that was taken over. */
  commits: { last: string | undefined }
}

export function assemble(deps: EnvironmentDeps, opened: Opened): Environment {
  const { run, frozen, workspace, tree, project } = opened
  const { plan, policy, policyHash } = frozen
  const sandboxes = openSandboxes(deps, opened)
  const stage: StageDeps = {
    ...deps,
    run,
    plan,
    policy,
    policyHash,
    skills: frozen.snapshot.skills ?? [],
    mcp: frozen.snapshot.mcp ?? [],
    project,
    tree,
    redactor: deps.redactors.of(run.id),
    sandboxes: touching(sandboxes, { tree, workspace }),
    model: () => deps.modelOf(run, frozen.snapshot.model),
    startedAt: performance.now(),
  }
  return {
    baseTree: GitOid.parse(workspace.baseTree),
    goesOn: opened.goesOn?.step,
    async perform(attempt, stageSignal) {
      const outcome = await performStage(stage, attempt, stageSignal)
      // What a model had written and run must not lie in wait for the stage that judges it.
      if (attempt.stage.type === 'agent') await sandboxes.reset()
      return outcome
    },
    // A tree that no sandbox has seen since cannot have changed.
    async checkpoint(attempt, stageSignal) {
      if (!tree.isTouched()) return unchanged(attempt)
      const made = await checkpointStage(deps, opened, { attempt, signal: stageSignal })
      tree.settle(made.tree)
      return made
    },
    async restore(to, stageSignal) {
      await sandboxes.reset()
      await workspace.restore({ tree: to, limits: SNAPSHOT_LIMITS, signal: stageSignal })
      tree.settle(to)
    },
    close: () => closeAll(deps, opened, sandboxes),
  }
}

/** Everything is tried; what could not be removed is thrown in the end. */
async function closeAll(
  { workspaces, state }: EnvironmentDeps,
  { workspace, tree, append }: Opened,
  sandboxes: RunSandboxes,
): Promise<void> {
  const ends = await Promise.allSettled([sandboxes.reset(), tree.close()])
  await workspace.settled()
  const [removed] = await Promise.allSettled([workspaces.remove(workspace.slotDir)])
  if (removed.status === 'fulfilled')
    state.transact((tx) => append(tx, [{ type: 'workspace_removed', payload: {} }]))
  for (const end of [...ends, removed]) if (end.status === 'rejected') throw end.reason
}

function openSandboxes(deps: EnvironmentDeps, opened: Opened): RunSandboxes {
  const { run, frozen, workspace, source, append } = opened
  const { state, artifacts, now, newId } = deps
  return createRunSandboxes({
    state,
    artifacts,
    now,
    newId,
    append,
    sandboxes: deps.sandboxes,
    gateway: deps.gateway,
    side: opened.side,
    policy: frozen.policy,
    runId: run.id,
    place: {
      image: frozen.image.name,
      user: workspace.owner,
      roots: [workspace.slotDir],
      readOnlyRoots: source.objectDirs,
      slot: workspace.slotDir,
      acceptDegraded: run.request.acceptDegraded,
      // Who needs the files waits for them, and hears of a failure.
      meanwhile: () => void workspace.fill().catch(() => {}),
    },
    imageId: frozen.image.id,
    early: opened.early,
    reattached: opened.goesOn,
    mounts: ({ workspace: access, git }) =>
      workspace.mounts({
        workspace: access,
        git,
      }),
    measure: (signal) => slotUsage(workspace.slotDir, signal),
  })
}
