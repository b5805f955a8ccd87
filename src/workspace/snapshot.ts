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
import { requireMounted } from './overlay.ts'
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
  if (state.base !== undefined) requireMounted(request.slot)
  const deadline = wallClock(limits.wallMs)
  const signal = AbortSignal.any([caller.signal, deadline.signal])
  const writer = openObjectWriter({ ...caller, signal }, store)
  try {
    // Something was written, so something will be: git starts while the files are looked at.
    if (state.base !== undefined && state.base.touched('').size > 0) writer.begin()
    const known = () => [...state.files.values()].map((file) => file.oid)
    const taker = openContentTaker({ ...limits, format: store.objectFormat, writer, known })
    const seen = await lookAtTree({ ...memory, ...request, root: request.slot.tree, taker, signal })
    const edits = editsOf(seen)
    const ref = `refs/openexec/runs/${request.runId}/latest`
    const before = state.tree
    const tree = edits.length === 0 ? before : await writer.tree(before, edits, ref)
    const range = { from: request.baseTree, to: tree }
    const changed =
      request.baseTree === before
        ? changesOf(state, seen)
        : await changesBetween({ ...caller, signal }, store, range)
    const fresh = [...seen.updates.keys()].filter((path) => !state.files.has(path))
    accept(state, seen, tree)
    return {
      tree,
      changed,
      refused: seen.refusals.list,
      refusedTotal: seen.refusals.total,
      collisions: collisionsOf(state, seen, fresh),
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

/** What git would tell of the same edits; must be asked before they are accepted. */
function changesOf(state: TreeState, seen: SeenTree): RawChange[] {
  const none = '0'.repeat(state.tree.length)
  const gone = seen.gone.map((path): RawChange => {
    const { mode, oid } = state.files.get(path) ?? { mode: NO_MODE, oid: none }
    return { path, oldMode: mode, newMode: NO_MODE, oldOid: oid, newOid: none, status: 'deleted' }
  })
  const written = [...seen.updates].map(([path, { mode, oid }]): RawChange => {
    const old = state.files.get(path)
    const change = { path, newMode: mode, newOid: oid }
    if (old === undefined) return { ...change, oldMode: NO_MODE, oldOid: none, status: 'added' }
    const isType = old.mode.slice(0, 3) !== mode.slice(0, 3)
    const status = isType ? 'type_changed' : 'modified'
    return { ...change, oldMode: old.mode, oldOid: old.oid, status }
  })
  return [...gone, ...written].toSorted((a, b) => (a.path < b.path ? -1 : Number(a.path > b.path)))
}

const NO_MODE = '000000'

function accept(state: TreeState, seen: SeenTree, tree: string): void {
  for (const path of seen.gone) state.files.delete(path)
  for (const [path, file] of seen.updates) state.files.set(path, file)
  for (const directory of directoriesOf(seen.updates.keys())) state.directories.add(directory)
  state.tree = tree
}

function collisionsOf(state: TreeState, seen: SeenTree, fresh: readonly BytePath[]): BytePath[] {
  // Over a seed, what is known has been there all along: only new names are worth a look at all.
  const isNew = state.base === undefined ? seen.updates.size > 0 : fresh.length > 0
  if (!isNew) return []
  const counts = new Map<string, number>()
  const count = (path: BytePath): void => {
    const folded = path.toLowerCase()
    counts.set(folded, (counts.get(folded) ?? 0) + 1)
  }
  for (const path of state.files.keys()) count(path)
  for (const path of state.base?.index.paths() ?? [])
    if (state.base?.isLoaded(path.slice(0, Math.max(0, path.lastIndexOf('/')))) === false)
      count(path)
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
