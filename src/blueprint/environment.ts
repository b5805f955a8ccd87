/**
 * The world of one run: its workspace, its sandboxes, its checkpoints. Opened once, closed whatever
 * happens; after `close()` nothing of the run is on the machine but what state and store hold.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import {
  createRunSandboxes,
  createRunTree,
  planProject,
  type ProjectPlan,
  type RunSandboxes,
  type RunTree,
} from '../actions/index.ts'
import { createRunDirectory, writeRunDocument } from '../artifacts/index.ts'
import { checkChangedPaths, deniesRead, stageMode } from '../policy/index.ts'
import {
  type ArtifactType,
  GitOid,
  type JsonObject,
  type NewEvent,
  type Run,
} from '../schema/index.ts'
import type { Sandboxes } from '../sandbox/index.ts'
import { listApprovals } from '../state/index.ts'
import {
  diskUsage,
  SNAPSHOT_LIMITS,
  type Snapshot,
  type Source,
  type Workspace,
  type Workspaces,
} from '../workspace/index.ts'
import type { Checkpoint, Environment, StageAttempt } from './engine.ts'
import type { FrozenRun } from './frozen-run.ts'
import { performStage, type StageDeps } from './perform-stage.ts'

export interface EnvironmentDeps extends Omit<
  StageDeps,
  'run' | 'plan' | 'policy' | 'policyHash' | 'project' | 'tree' | 'sandboxes' | 'startedAt'
> {
  workspaces: Workspaces
  sandboxes: Sandboxes
  /** Whom the workspace of a run belongs to inside. */
  userOf(run: Run): { uid: number; gid: number }
}

/** Throws what opening a repository, a workspace or an artifact throws; nothing is left then. */
export async function openEnvironment(
  deps: EnvironmentDeps,
  { run, frozen }: { run: Run; frozen: FrozenRun },
  signal: AbortSignal,
): Promise<Environment> {
  const { workspaces, timeline } = deps
  const { plan, policy } = frozen
  // Before anything is started: a run that cannot end well should not begin.
  if (plan.stages.some(({ type }) => type === 'agent')) await deps.model()
  const slotDir = join(deps.root, 'work', run.id)
  mkdirSync(join(deps.root, 'work'), { recursive: true, mode: 0o700 })
  await writeRunDocument(createRunDirectory(deps.root, run.id), 'policy_snapshot.json', frozen.snapshot)
  const source = await sourceOf(workspaces, run, signal)
  await workspaces.remove(slotDir)
  const workspace = await workspaces.create({
    source,
    runId: run.id,
    slotDir,
    ...deps.userOf(run),
    denyRead: (path) => deniesRead(policy, path),
    history: 'full',
    signal,
  })
  const record = (event: NewEvent) => void timeline.publish(run.id, event)
  const tree = createRunTree({ workspaces, workspace }, signal)
  try {
    record(createdEvent(workspace))
    const project = await planProject((path) => readBaseText(tree, path))
    record({ type: 'notice', payload: { message: describeProject(project), kind: 'project' } })
    const opened = { run, frozen, workspace, source, record, tree, project }
    return assemble(deps, opened, signal)
  } catch (error) {
    await tree.close()
    await workspaces.remove(slotDir)
    throw error
  }
}

interface Opened {
  run: Run
  frozen: FrozenRun
  workspace: Workspace
  source: Source
  record(event: NewEvent): void
  tree: RunTree & { close(): Promise<void> }
  project: ProjectPlan
}

function assemble(deps: EnvironmentDeps, opened: Opened, signal: AbortSignal): Environment {
  const { run, frozen, workspace, record, tree, project } = opened
  const { plan, policy, policyHash } = frozen
  const use = { touched: false }
  const sandboxes = watched(openSandboxes(deps, opened), use)
  const stage: StageDeps = {
    ...deps,
    ...{ run, plan, policy, policyHash, project, tree, sandboxes },
    startedAt: performance.now(),
  }
  return {
    baseCommit: GitOid.parse(workspace.baseCommit),
    baseTree: GitOid.parse(workspace.baseTree),
    perform: (attempt, stageSignal) => performStage(stage, attempt, stageSignal),
    // A tree that no sandbox has seen cannot have changed.
    checkpoint: async (attempt) =>
      use.touched ? await checkpoint(deps, opened, { attempt, signal }) : unchanged(attempt),
    async restore(to) {
      await sandboxes.reset()
      await workspace.restore({ tree: to, limits: SNAPSHOT_LIMITS, signal })
    },
    async close() {
      const ends = await Promise.allSettled([sandboxes.reset(), tree.close()])
      await deps.workspaces.remove(workspace.slotDir)
      record({ type: 'workspace_removed', payload: {} })
      for (const end of ends) if (end.status === 'rejected') throw end.reason
    },
  }
}

function watched(sandboxes: RunSandboxes, use: { touched: boolean }): RunSandboxes {
  return {
    get: (wish, signal) => {
      use.touched = true
      return sandboxes.get(wish, signal)
    },
    reset: () => sandboxes.reset(),
  }
}

function openSandboxes(deps: EnvironmentDeps, opened: Opened): RunSandboxes {
  const { run, frozen, workspace, source, record } = opened
  const { state, now, newId } = deps
  return createRunSandboxes({
    ...{ state, now, newId, record },
    sandboxes: deps.sandboxes,
    policy: frozen.policy,
    runId: run.id,
    place: {
      image: frozen.image.name,
      user: deps.userOf(run),
      roots: [workspace.slotDir],
      readOnlyRoots: source.objectDirs,
      slot: workspace.slotDir,
      acceptDegraded: run.request.acceptDegraded,
    },
    imageId: frozen.image.id,
    mounts: ({ workspace: access, git }) => workspace.mounts({ workspace: access, git }),
    measure: (signal) => diskUsage(workspace.treeDir, { limits: SNAPSHOT_LIMITS, signal }),
    saveReceipt: async (receipt) => {
      await deps.artifacts.save({
        runId: run.id,
        name: 'receipt',
        type: 'receipt' satisfies ArtifactType,
        mediaType: 'application/json',
        content: Buffer.from(`${JSON.stringify(receipt, undefined, 2)}\n`),
      })
    },
  })
}

async function checkpoint(
  deps: EnvironmentDeps,
  opened: Opened,
  { attempt, signal }: { attempt: StageAttempt; signal: AbortSignal },
): Promise<Checkpoint> {
  const { workspace, run, record } = opened
  const { stage, baseTree } = attempt
  const snapshot = await workspace.snapshot({ baseTree, limits: SNAPSHOT_LIMITS, signal })
  tellRefused(snapshot, { record, stage: stage.id })
  const tree = GitOid.parse(snapshot.tree)
  const violations = violationsOf(deps, opened, { attempt, snapshot })
  if (tree === baseTree) return { tree, commit: undefined, violations }
  const number = deps.timeline.read(run.id, { after: 0, limit: 100_000 }).filter(isCheckpoint).length + 1
  const parent = workspace.baseCommit
  const commit = GitOid.parse(
    await deps.workspaces.checkpoint(workspace.store, { runId: run.id, number, tree, parent, signal }),
  )
  record({
    type: 'checkpoint',
    stage: stage.id,
    attempt: attempt.attempt,
    payload: { tree, commit, changed: snapshot.changed.length },
  })
  return { tree, commit, violations }
}

function isCheckpoint({ type }: NewEvent): boolean {
  return type === 'checkpoint'
}

function unchanged({ baseTree }: StageAttempt): Checkpoint {
  return { tree: baseTree, commit: undefined, violations: [] }
}

/** Paths the stage changed against policy; one that a person approved before is none. */
function violationsOf(
  { state }: EnvironmentDeps,
  { run, frozen }: Opened,
  { attempt, snapshot }: { attempt: StageAttempt; snapshot: Snapshot },
): string[] {
  const { stage } = attempt
  const mode = stageMode(frozen.policy, { blueprint: undefined, stage: stage.sandbox ?? undefined })
  const subject = stage.type === 'agent' ? 'agent' : stage.action
  const found = checkChangedPaths(
    frozen.policy,
    snapshot.changed.map(({ bytes }) => bytes),
    { mode, stage: stage.id, subject },
  )
  if (found.length === 0) return []
  const approved = new Set(
    listApprovals(state.db, run.id).flatMap(({ status, request }) =>
      status === 'consumed' ? [approvedPath(request)] : [],
    ),
  )
  return found
    .filter(({ decision, path }) => decision === 'block' || !approved.has(path))
    .map(({ path, reason }) => `${path} (${reason})`)
}

function approvedPath(request: JsonObject): string | undefined {
  const resource = request['resource']
  if (resource === null || typeof resource !== 'object' || Array.isArray(resource)) return undefined
  const path: unknown = Reflect.get(resource, 'path')
  return typeof path === 'string' ? path : undefined
}

function tellRefused(
  { refused, refusedTotal }: Snapshot,
  { record, stage }: { record(event: NewEvent): void; stage: string },
): void {
  if (refusedTotal === 0) return
  const some = refused.slice(0, 10).map(({ path, reason }) => ({ path: path.slice(0, 500), reason }))
  const message = `${refusedTotal} files of the workspace are left out of its changes: ${some.map(({ path, reason }) => `${path} (${reason})`).join(', ')}`
  record({ type: 'notice', stage, payload: { kind: 'refused_files', message, total: refusedTotal, some } })
}

/** Uncommitted changes were made a commit of the store when the run was submitted. */
async function sourceOf(workspaces: Workspaces, run: Run, signal: AbortSignal): Promise<Source> {
  const { baseCommit, baseTree, request } = run
  if (baseCommit === undefined || baseTree === undefined)
    throw new Error(`Cannot open run "${run.id}": it has no base`)
  const ref = request.includeDirty ? undefined : baseCommit
  const source = await workspaces.openSource({ path: request.repo, ref, includeDirty: false, signal })
  return { ...source, commit: baseCommit, tree: baseTree }
}

function createdEvent(workspace: Workspace): NewEvent {
  const { baseCommit, baseTree, history, hiddenPaths, submodules, slotDir } = workspace
  return {
    type: 'workspace_created',
    payload: {
      base_commit: baseCommit,
      base_tree: baseTree,
      history,
      hidden_paths: hiddenPaths,
      submodules: submodules.slice(0, 100),
    },
    volatile: { path: slotDir },
  }
}

const BASE_TEXT_BYTES_MAX = 262_144

async function readBaseText(tree: RunTree, path: string): Promise<string | undefined> {
  const file = (await tree.baseFiles()).find((each) => each.path === path)
  if (file === undefined || file.size > BASE_TEXT_BYTES_MAX) return undefined
  return new TextDecoder().decode(await tree.readBlob(file.oid, BASE_TEXT_BYTES_MAX))
}

function describeProject({ setup, lint, test }: ProjectPlan): string {
  const show = (kind: string, command: ProjectPlan['test']) =>
    command === undefined ? `${kind}: none` : `${kind}: ${command.argv.join(' ')} (${command.because})`
  return ['Commands of the repository', show('setup', setup), show('lint', lint), show('test', test)].join('; ')
}
