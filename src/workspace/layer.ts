/**
 * Lays a workspace over a seed, before anything of it is mounted elsewhere, and brings what tells it
 * from the seed. Where that cannot be done the slot is as it was, and the reason is told.
 */
import fs from 'node:fs'
import path from 'node:path'
import { OpenExecError } from '../schema/index.ts'
import type { BytePath } from './byte-path.ts'
import { type SeedChoice } from './choose-seed.ts'
import type { GitCaller } from './git.ts'
import type { IndexEntry } from './git-index.ts'
import { BASE_INDEX } from './materialise.ts'
import { unmountBelow } from './mount-table.ts'
import type { ObjectStore } from './object-store.ts'
import { mountOverlay, upperDir } from './overlay.ts'
import type { RawChange } from './raw-changes.ts'
import { removeTree } from './remove-tree.ts'
import { changeTree } from './restore.ts'
import { SeedIndex } from './seed-index.ts'
import { leaveSeed, type Seed } from './seeds.ts'
import { settleOne } from './settle-file.ts'
import type { Slot, WorkspaceRecord } from './slot.ts'

export interface Layer {
  seed: Seed
  changes: RawChange[]
}

/** `slot` is made, its tree empty. A string says why there is none. */
export async function layOver(
  slot: Slot,
  { seed, changes }: Extract<SeedChoice, { kind: 'seed' }>,
): Promise<Layer | string> {
  const { uid, gid } = seed.record
  try {
    await mountOverlay(slot, seed.tree, { uid, gid })
    return { seed, changes }
  } catch (error) {
    await unmountBelow(slot.dir)
    for (const name of [path.basename(upperDir(slot)), 'overlay']) await removeTree(slot.dir, name)
    leaveSeed(seed.dir, slot.dir)
    if (error instanceof OpenExecError) return error.message
    throw error
  }
}

/** The files that differ, and the index for git inside. */
export async function fillLayer(
  caller: GitCaller,
  store: ObjectStore,
  { slot, record, layer }: { slot: Slot; record: WorkspaceRecord; layer: Layer },
): Promise<void> {
  const { seed, changes } = layer
  const inside = path.join(slot.git, 'index')
  if (changes.length === 0) {
    fs.copyFileSync(seed.index, inside)
    fs.chmodSync(inside, 0o644)
    return
  }
  await changeTree(caller, store, { slot, record, changes })
  const { uid, gid, mtimeS } = seed.record
  const edits = new Map<BytePath, IndexEntry | undefined>()
  for (const { path: changed, status, newMode, newOid } of changes) {
    const entry = { path: changed, mode: newMode, oid: newOid }
    const settled = { owner: { uid, gid }, chown: true, mtimeS }
    edits.set(changed, status === 'deleted' ? undefined : settleOne(slot, entry, settled))
  }
  const index = new SeedIndex(fs.readFileSync(seed.index), store.objectFormat).edited(edits)
  fs.writeFileSync(inside, index, { mode: 0o644 })
  fs.writeFileSync(path.join(slot.index, BASE_INDEX), index, { mode: 0o600 })
}
