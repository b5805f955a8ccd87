/**
 * The workspace of one run, from creation to removal: its files, its snapshots, what git inside may
 * reach. Calls on one workspace take turns; those on different ones do not wait for each other.
 */
import {
  changedPath,
  type ChangedPath,
  nameOf,
  type NamedPath,
  refusedPath,
  type RefusedPath,
} from './changed-path.ts'
import { type CollectedCommits, collectCommits } from './collect-commits.ts'
import type { GitProgram } from './git-process.ts'
import { workspaceMounts, type WorkspaceMount } from './mounts.ts'
import type { ObjectStore } from './object-store.ts'
import { restoreTree } from './restore.ts'
import type { History, Slot, WorkspaceRecord } from './slot.ts'
import {
  openSnapshotMemory,
  type Snapshot as RawSnapshot,
  type SnapshotLimits,
  type SnapshotMemory,
  takeSnapshot,
} from './snapshot.ts'

export interface Snapshot {
  tree: string
  changed: ChangedPath[]
  /** At most 1,000; what they had in the last tree stays in this one. */
  refused: RefusedPath[]
  refusedTotal: number
  /** Changed paths another path equals but for the case. */
  collisions: NamedPath[]
}

interface SnapshotRequest {
  /** What `changed` is told against. */
  baseTree: string
  limits: SnapshotLimits
  signal: AbortSignal
}

export interface Workspace {
  readonly runId: string
  readonly slotDir: string
  /** Directory of the host mounted at /workspace. */
  readonly treeDir: string
  readonly baseCommit: string
  readonly baseTree: string
  /** Commit git inside starts from; differs from `baseCommit` when history is filtered. */
  readonly insideCommit: string
  readonly history: History
  readonly submodules: readonly string[]
  /** Whether its files are its own, or lie over a checkout that is shared; `why` for the former. */
  readonly files: { kind: 'overlay' } | { kind: 'worktree'; why: string }
  /** Whom it belongs to inside. */
  readonly owner: { uid: number; gid: number }
  /** How many paths of the base are hidden from the sandbox. */
  readonly hiddenPaths: number
  readonly store: ObjectStore
  /**
   * Brings the files, once; rejects as `create()` throws, and nothing is left then. All else that
   * needs files asks for it by itself; commands inside must not begin before it has settled.
   */
  fill(): Promise<void>
  /** Waits until files that were asked for are there, or cannot be; asks for none. */
  settled(): Promise<void>
  /** What to mount, deeper targets last. */
  mounts(access: {
    workspace: 'read_only' | 'read_write'
    git: 'read_only' | 'private'
  }): WorkspaceMount[]
  /** Throws `workspace_failed` with `details.limit` when a limit is exceeded. */
  snapshot(request: SnapshotRequest): Promise<Snapshot>
  /** Puts the files back to a tree; ignored files stay. Throws `workspace_failed`. */
  restore(request: { tree: string; limits: SnapshotLimits; signal: AbortSignal }): Promise<void>
  /** Takes over the commits made inside; undefined when there are none. Throws `workspace_failed`. */
  collectCommits(signal: AbortSignal): Promise<CollectedCommits | undefined>
}

export function workspaceOver(
  program: GitProgram,
  at: {
    slot: Slot
    record: WorkspaceRecord
    plain: string | undefined
    fill(): Promise<void>
    now(): number
  },
): Workspace {
  const { slot, record } = at
  const store = storeOf(record)
  let memory: SnapshotMemory | undefined
  let last: Promise<unknown> = Promise.resolve()
  let filling: Promise<void> | undefined
  const fill = () => {
    filling ??= at.fill()
    filling.catch(() => undefined) // It may fail before anybody waits for it.
    return filling
  }
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const before = last
    const result = fill().then(async () => (await before, await work()))
    last = result.catch(() => undefined)
    return result
  }
  const { runId } = record
  const look = async (request: SnapshotRequest): Promise<RawSnapshot> => {
    const caller = { program, signal: request.signal }
    memory ??= await openSnapshotMemory(caller, store, at)
    return takeSnapshot(caller, store, { ...request, slot, runId, memory, nowMs: at.now() })
  }
  return {
    runId,
    slotDir: slot.dir,
    treeDir: slot.tree,
    baseCommit: record.baseCommit,
    baseTree: record.baseTree,
    insideCommit: record.insideCommit,
    history: record.history,
    // Known once the files are there.
    get submodules() {
      return record.submodules.map((path) => nameOf(path).path)
    },
    files: filesOf(record, at.plain),
    owner: { uid: record.uid, gid: record.gid },
    hiddenPaths: record.denied.length,
    store,
    fill,
    settled: async () => void (await Promise.allSettled([filling])),
    mounts: (access) => workspaceMounts(slot, record, access),
    snapshot: (request) => inTurn(async () => shown(await look(request))),
    restore: ({ tree, limits, signal }) =>
      inTurn(() => {
        const snapshot = () => look({ baseTree: tree, limits, signal })
        return restoreTree({ program, signal }, store, { slot, record, tree, snapshot })
      }),
    collectCommits: (signal) => inTurn(() => collectCommits({ program, signal }, store, at)),
  }
}

function storeOf({ store: gitDir, objectFormat, commonDir }: WorkspaceRecord): ObjectStore {
  return { gitDir, objectFormat, commonDir }
}

function filesOf({ seed }: WorkspaceRecord, plain: string | undefined): Workspace['files'] {
  if (seed !== undefined) return { kind: 'overlay' }
  return { kind: 'worktree', why: plain ?? 'made earlier' }
}

function shown(snapshot: RawSnapshot): Snapshot {
  return {
    ...snapshot,
    changed: snapshot.changed.map(changedPath),
    refused: snapshot.refused.map(refusedPath),
    collisions: snapshot.collisions.map(nameOf),
  }
}
