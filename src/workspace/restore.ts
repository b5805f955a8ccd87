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
import { closingAfter, Directory, errorCode } from './directory.ts'
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
  const trash = fs.mkdtempSync(path.join(slot.index, 'trash-'))
  try {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const { tree: current, refused } = await request.snapshot()
      const inTheWay = refused.filter((refusal) => !HARMLESS.has(refusal.reason))
      if (inTheWay.length === 0 && current === tree) return
      const root = Directory.open(slot.tree)
      const bin = Directory.open(trash)
      await closingAfter([root, bin], async () => {
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
  } finally {
    await removeTree(path.dirname(trash), path.basename(trash))
  }
  throw notRestored(tree, undefined)
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
    parent.rename(name, bin, randomUUID())
  })
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
