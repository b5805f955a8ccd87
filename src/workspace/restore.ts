/**
 * Puts the files of a workspace back to a tree, in place, so that a sandbox that has it mounted sees
 * it too. Ignored files stay (what a set-up stage installed is still needed); whatever a snapshot
 * refuses is moved out of the way. The files may be hostile and still in use.
 */
import { randomUUID } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { OpenExecError } from '../schema/index.ts'
import { type BlobReader, openBlobReader } from './blob-reader.ts'
import type { BytePath } from './byte-path.ts'
import { closing, closingAfter, Directory, errorCode } from './directory.ts'
import type { GitCaller } from './git.ts'
import { type ObjectStore, storePlace } from './object-store.ts'
import { atPath, locateOrMake, pruneParents } from './parents.ts'
import { GIT_FILE } from './private-gitdir.ts'
import { changesBetween, type RawChange } from './raw-changes.ts'
import { openUp, removeTree } from './remove-tree.ts'
import type { Slot, WorkspaceRecord } from './slot.ts'
import type { Snapshot } from './snapshot.ts'
import { writeEntry } from './write-entry.ts'

const ROUNDS_MAX = 20
/** Refusals that leave the path itself usable. */
const HARMLESS = new Set(['set_id', 'submodule_content', 'hidden_path'])

/** Throws `workspace_failed` when the workspace does not come to rest at the tree. */
export async function restoreTree(
  caller: GitCaller,
  store: ObjectStore,
  request: {
    slot: Slot
    record: WorkspaceRecord
    tree: string
    snapshot(): Promise<Snapshot>
  },
): Promise<void> {
  const { slot, record, tree } = request
  try {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const { tree: current, refused } = await request.snapshot()
      const inTheWay = refused.filter((refusal) => !HARMLESS.has(refusal.reason))
      if (inTheWay.length === 0 && current === tree) return
      await withTrash(slot, record, async (root, bin) => {
        for (const refusal of inTheWay) discard(root, bin, refusal.path)
        const changes = await changesBetween(caller, store, { from: current, to: tree })
        await applyAll(caller, store, { root, bin, changes, record })
        restoreGitFile(root, record)
      })
    }
  } catch (error) {
    // What was just looked at is gone or another thing: somebody else writes there.
    if (error instanceof OpenExecError || errorCode(error) === undefined) throw error
    throw notRestored(tree, error)
  }
  throw notRestored(tree, undefined)
}

/** Makes changes to files that no sandbox writes to meanwhile, each as git would store it. */
export async function changeTree(
  caller: GitCaller,
  store: ObjectStore,
  request: { slot: Slot; record: WorkspaceRecord; changes: readonly RawChange[] },
): Promise<void> {
  const { slot, record, changes } = request
  await withTrash(slot, record, async (root, bin) =>
    applyAll(caller, store, { root, bin, changes, record }),
  )
}

/** With a place to move things to, on the file system of the tree, and gone afterwards. */
async function withTrash(
  slot: Slot,
  record: WorkspaceRecord,
  work: (root: Directory, bin: Directory) => Promise<void>,
): Promise<void> {
  // In the tree itself, under a name that can be no part of a result.
  const isLayer = record.seed !== undefined
  const [parent, name] = isLayer ? [slot.tree, '.openexec:'] : [slot.index, 'trash-']
  const trash = path.join(parent, name + randomUUID())
  fs.mkdirSync(trash, { mode: 0o700 })
  try {
    const directories = [Directory.open(slot.tree), Directory.open(trash)] as const
    await closingAfter(directories, () => work(...directories))
  } finally {
    await removeTree(parent, path.basename(trash))
  }
}

function notRestored(tree: string, cause: unknown): OpenExecError {
  return new OpenExecError('workspace_failed', `Cannot restore the workspace to tree ${tree}`, {
    hint: 'Something in the sandbox keeps changing it, or the disk is full; remove the sandbox first',
    cause,
  })
}

interface Work {
  root: Directory
  bin: Directory
  changes: readonly RawChange[]
  record: WorkspaceRecord
}

async function applyAll(caller: GitCaller, store: ObjectStore, work: Work): Promise<void> {
  const { root, bin, changes, record } = work
  const hidden = new Set(record.denied)
  const visible = changes.filter((change) => !hidden.has(change.path))
  for (const change of visible) {
    if (change.status !== 'deleted') continue
    discard(root, bin, change.path)
    pruneParents(root, change.path, () => undefined)
  }
  const reader = openBlobReader(caller, storePlace(store))
  try {
    for (const change of visible) {
      if (change.status !== 'deleted') await putBack(reader, work, change)
    }
  } finally {
    await reader.close()
  }
}

async function putBack(reader: BlobReader, work: Work, change: RawChange): Promise<void> {
  const { root, bin, record } = work
  const owner = process.getuid?.() === 0 ? { uid: record.uid, gid: record.gid } : undefined
  const own = (at: string | Buffer): void => {
    if (owner !== undefined) fs.lchownSync(at, owner.uid, owner.gid)
  }
  clearWay(root, bin, change.path)
  const { parent, name } = locateOrMake(root, change.path, (above, made) => own(above.at(made)))
  await closingAfter([parent], async () => {
    if (change.newMode === '160000') {
      discard(root, bin, change.path)
      fs.mkdirSync(parent.at(name), 0o755)
      own(parent.at(name))
      return
    }
    const draft = `.openexec-${randomUUID()}`
    const source = { mode: change.newMode, oid: change.newOid, owner, dosLines: false }
    await writeEntry(reader, { parent, name: draft }, source)
    if (parent.lstat(name)?.isDirectory() === true) discard(root, bin, change.path)
    parent.rename(draft, parent, name)
  })
}

/** Moves away what stands where a directory has to be. */
function clearWay(root: Directory, bin: Directory, target: BytePath): void {
  for (let slash = target.indexOf('/'); slash > 0; slash = target.indexOf('/', slash + 1)) {
    const above = target.slice(0, slash)
    const stat = atPath(root, above, (parent, name) => parent.lstat(name))
    if (stat === undefined) return
    if (!stat.isDirectory()) discard(root, bin, above)
  }
}

function discard(root: Directory, bin: Directory, target: BytePath): void {
  atPath(root, target, (parent, name) => {
    const stat = parent.lstat(name)
    if (stat === undefined) return
    // A directory that nobody may write to cannot be moved either.
    if (stat.isDirectory()) openUp(parent, name)
    moveAway(parent, name, bin)
  })
}

/** A directory of the seed cannot be moved, only emptied: what was made inside is moved out of it. */
function moveAway(parent: Directory, name: BytePath, bin: Directory): void {
  try {
    parent.rename(name, bin, randomUUID())
    return
  } catch (error) {
    if (errorCode(error) !== 'EXDEV') throw error
  }
  const directory = parent.child(name)
  closing([directory], () => {
    for (const below of [...directory.entries()].map((entry) => entry.name)) {
      if (directory.lstat(below)?.isDirectory() === true) openUp(directory, below)
      moveAway(directory, below, bin)
    }
  })
  fs.rmdirSync(parent.at(name))
}

function restoreGitFile(root: Directory, record: WorkspaceRecord): void {
  if (root.lstat('.git') !== undefined) return
  const fd = root.createFile('.git', 0o644)
  try {
    fs.writeSync(fd, GIT_FILE)
    if (process.getuid?.() === 0) fs.fchownSync(fd, record.uid, record.gid)
  } finally {
    fs.closeSync(fd)
  }
}
