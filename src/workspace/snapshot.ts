/**
 * Turns the files of a workspace into a tree of the object store, without git ever looking at them.
 * Its cost beyond one `lstat` per entry follows what changed since the last snapshot.
 */
import { OpenExecError } from '../schema/index.ts'
import { readIgnoreRules } from './base-ignore.ts'
import type { BytePath } from './byte-path.ts'
import { openObjectWriter, type TreeEdit } from './fast-import.ts'
import type { GitCaller } from './git.ts'
import type { IgnoreRules } from './ignore-rules.ts'
import { changesBetween, type RawChange } from './raw-changes.ts'
import type { Refusal } from './refusals.ts'
import type { ObjectStore } from './object-store.ts'
import type { Slot, WorkspaceRecord } from './slot.ts'
import { openContentTaker } from './snapshot-content.ts'
import { lookAtTree, type SeenTree } from './snapshot-walk.ts'
import { directoriesOf, initialTreeState, type TreeState } from './tree-state.ts'
import type { WalkLimits } from './walk.ts'

export interface SnapshotLimits extends WalkLimits {
  /** Bytes of one file; a bigger one is refused. */
  fileBytes: number
  /** Bytes of changed files in one snapshot. */
  totalBytes: number
  /** `ms` */
  wallMs: number
}

export const SNAPSHOT_LIMITS: SnapshotLimits = {
  entries: 1_000_000,
  depth: 128,
  pathBytes: 4096,
  fileBytes: 256 * 1024 ** 2,
  totalBytes: 4 * 1024 ** 3,
  wallMs: 120_000,
}

export interface Snapshot {
  tree: string
  /** Against the tree asked for. */
  changed: RawChange[]
  refused: Refusal[]
  /** Also counts refusals beyond the list. */
  refusedTotal: number
  /** Changed paths that another path equals but for the case; at most 100. */
  collisions: BytePath[]
}

/** What one workspace keeps between its snapshots. */
export interface SnapshotMemory {
  state: TreeState
  rules: IgnoreRules
  hidden: { paths: ReadonlySet<BytePath>; directories: ReadonlySet<BytePath> }
}

const COLLISIONS_MAX = 100

export async function openSnapshotMemory(
  caller: GitCaller,
  store: ObjectStore,
  at: { slot: Slot; record: WorkspaceRecord },
): Promise<SnapshotMemory> {
  const state = initialTreeState(at.slot, at.record)
  const paths = new Set(at.record.denied)
  return {
    state,
    rules: await readIgnoreRules(caller, store, state),
    hidden: { paths, directories: directoriesOf(paths) },
  }
}

/** Throws `workspace_failed` with `details.limit` when a limit is exceeded. */
export async function takeSnapshot(
  caller: GitCaller,
  store: ObjectStore,
  request: {
    slot: Slot
    runId: string
    memory: SnapshotMemory
    baseTree: string
    limits: SnapshotLimits
    nowMs: number
  },
): Promise<Snapshot> {
  const { memory, limits } = request
  const { state } = memory
  const deadline = wallClock(limits.wallMs)
  const signal = AbortSignal.any([caller.signal, deadline.signal])
  const writer = openObjectWriter({ ...caller, signal }, store)
  try {
    const known = () => [...state.files.values()].map((file) => file.oid)
    const taker = openContentTaker({ ...limits, format: store.objectFormat, writer, known })
    const seen = await lookAtTree({ ...memory, ...request, root: request.slot.tree, taker, signal })
    const edits = editsOf(seen)
    const ref = `refs/openexec/runs/${request.runId}/latest`
    const tree = edits.length === 0 ? state.tree : await writer.tree(state.tree, edits, ref)
    accept(state, seen, tree)
    return {
      tree,
      changed: await changesBetween({ ...caller, signal }, store, {
        from: request.baseTree,
        to: tree,
      }),
      refused: seen.refusals.list,
      refusedTotal: seen.refusals.total,
      collisions: collisionsOf(state, seen),
    }
  } finally {
    deadline.stop()
    await writer.close()
  }
}

function editsOf(seen: SeenTree): TreeEdit[] {
  const edits: TreeEdit[] = seen.gone.map((path) => ({ path, entry: undefined }))
  for (const [path, { mode, oid }] of seen.updates) edits.push({ path, entry: { mode, oid } })
  return edits
}

function accept(state: TreeState, seen: SeenTree, tree: string): void {
  for (const path of seen.gone) state.files.delete(path)
  for (const [path, file] of seen.updates) state.files.set(path, file)
  for (const directory of directoriesOf(seen.updates.keys())) state.directories.add(directory)
  state.tree = tree
}

function collisionsOf(state: TreeState, seen: SeenTree): BytePath[] {
  if (seen.updates.size === 0) return []
  const counts = new Map<string, number>()
  for (const path of state.files.keys()) {
    const folded = path.toLowerCase()
    counts.set(folded, (counts.get(folded) ?? 0) + 1)
  }
  const collisions: BytePath[] = []
  for (const path of seen.updates.keys()) {
    if (collisions.length >= COLLISIONS_MAX) break
    if ((counts.get(path.toLowerCase()) ?? 0) > 1) collisions.push(path)
  }
  return collisions
}

function wallClock(wallMs: number): { signal: AbortSignal; stop(): void } {
  const controller = new AbortController()
  const error = new OpenExecError(
    'workspace_failed',
    `Cannot take a snapshot: no end after ${wallMs} ms`,
    {
      hint: 'Let the task remove what it does not need, or ignore generated directories',
      details: { limit: 'wall', wallMs },
    },
  )
  const timer = setTimeout(() => controller.abort(error), wallMs)
  return { signal: controller.signal, stop: () => clearTimeout(timer) }
}
