/**
 * What a stage made of the tree, seen from outside: a snapshot, held against the path rules of policy
 * whatever was decided before. This check is the authority over what a run may bring home.
 */
import { checkChangedPaths } from '../policy/index.ts'
import { GitOid, type JsonObject, type NewEvent } from '../schema/index.ts'
import { listApprovals } from '../state/index.ts'
import { SNAPSHOT_LIMITS, type Snapshot } from '../workspace/index.ts'
import type { StageAttempt } from './engine.ts'
import type { EnvironmentDeps, Opened } from './environment.ts'
import type { Checkpoint } from './outcome.ts'
import { plainText } from './plain-text.ts'
import { modeOf } from './stage-scope.ts'
import { takeCommits } from './take-commits.ts'

export async function checkpointStage(
  deps: EnvironmentDeps,
  opened: Opened,
  { attempt, signal }: { attempt: StageAttempt; signal: AbortSignal },
): Promise<Checkpoint> {
  const { workspace, run } = opened
  const { baseTree, checkpoint: number } = attempt
  const snapshot = await workspace.snapshot({ baseTree, limits: SNAPSHOT_LIMITS, signal })
  tellRefused(deps, opened, { attempt, snapshot })
  await takeCommits(deps, opened, { attempt, signal })
  const tree = GitOid.parse(snapshot.tree)
  const violations = violationsOf(deps, opened, { attempt, snapshot })
  const changed = snapshot.changed.length
  const made = { tree, changed, violations }
  if (tree === baseTree) return { ...made, commit: undefined, diff: undefined }
  const parent = workspace.baseCommit
  const { workspaces } = deps
  const request = { runId: run.id, number, tree, parent, signal }
  const commit = GitOid.parse(await workspaces.checkpoint(workspace.store, request))
  const range = { from: workspace.baseTree, to: tree, signal }
  const { files, insertions, deletions } = await workspaces.diffSummary(workspace.store, range)
  return { ...made, commit, diff: { files, insertions, deletions } }
}

export function unchanged({ baseTree }: StageAttempt): Checkpoint {
  return { tree: baseTree, commit: undefined, changed: 0, diff: undefined, violations: [] }
}

interface Seen {
  attempt: StageAttempt
  snapshot: Snapshot
}

/** Paths the stage changed against policy; one that a person approved before is none. */
function violationsOf(
  { state }: EnvironmentDeps,
  { run, frozen }: Opened,
  { attempt, snapshot }: Seen,
): string[] {
  const { stage } = attempt
  const found = checkChangedPaths(
    frozen.policy,
    snapshot.changed.map(({ bytes }) => bytes),
    {
      mode: modeOf(frozen.policy, attempt),
      stage: stage.id,
      subject: stage.type === 'agent' ? 'agent' : stage.action,
    },
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

const REFUSED_SHOWN = 10
const PATH_CHARS_MAX = 200

function tellRefused(
  { state }: EnvironmentDeps,
  { append }: Opened,
  { attempt, snapshot }: Seen,
): void {
  const { refused, refusedTotal: total } = snapshot
  if (total === 0) return
  const some = refused.slice(0, REFUSED_SHOWN).map(({ path, reason }) => ({
    path: plainText(path, PATH_CHARS_MAX),
    reason,
  }))
  const names = some.map(({ path, reason }) => `${path} (${reason})`).join(', ')
  const files = total === 1 ? '1 file of the workspace is' : `${total} files of the workspace are`
  const message = `${files} left out of its changes: ${names}${total > some.length ? ', …' : ''}`
  const event: NewEvent = {
    type: 'notice',
    stage: attempt.stage.id,
    attempt: attempt.attempt,
    payload: { kind: 'refused_files', message, total, some },
  }
  state.transact((tx) => append(tx, [event]))
}
