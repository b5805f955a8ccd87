/**
 * Makes the seed of a tree as a workspace's files would be written: by git, byte for byte, with the
 * sandbox's owner and the commit's time. Runs of this process that want the same one wait for it.
 */
import fs from 'node:fs'
import path from 'node:path'
import type { BaseTreeSurvey } from './base-tree.ts'
import { encodeIndex } from './git-index.ts'
import type { GitCaller } from './git.ts'
import { BASE_INDEX, materialise, readTree } from './materialise.ts'
import type { ObjectStore } from './object-store.ts'
import { GIT_FILE } from './private-gitdir.ts'
import { removeTree } from './remove-tree.ts'
import { draftSeed, flushSeed, publishSeed, type Seed } from './seeds.ts'
import type { Ownership } from './settle-file.ts'
import { makeSlot, slotAt } from './slot.ts'

export interface SeedOrder {
  stateDir: string
  store: ObjectStore
  tree: string
  filtered: boolean
  survey: BaseTreeSurvey
  owner: Ownership
  mtimeS: number
}

const making = new Map<string, Promise<Seed | undefined>>()

/** Throws as filling a workspace does; `undefined` when another process removed it at once. */
export async function makeSeed(caller: GitCaller, order: SeedOrder): Promise<Seed | undefined> {
  const key = JSON.stringify([order.stateDir, order.store.gitDir, order.tree])
  const shared = making.get(key)
  // The other run may have been cancelled; this one then goes without.
  if (shared !== undefined) return await shared.catch(() => undefined)
  const own = make(caller, order)
  making.set(key, own)
  try {
    return await own
  } finally {
    making.delete(key)
  }
}

async function make(caller: GitCaller, order: SeedOrder): Promise<Seed | undefined> {
  const { stateDir, store, tree, survey, owner, mtimeS } = order
  const draft = draftSeed(stateDir)
  try {
    const slot = slotAt(path.join(draft, 'slot'))
    makeSlot(slot)
    await readTree(caller, store, { slot, tree })
    const hidden = new Set(survey.denied)
    const listed = survey.listed.filter((entry) => !hidden.has(entry.path))
    const entries = await materialise(caller, store, { slot, listed, owner, mtimeS })
    const pointer = path.join(slot.tree, '.git')
    fs.writeFileSync(pointer, GIT_FILE, { mode: 0o644 })
    for (const file of [pointer, slot.tree]) fs.lchownSync(file, owner.uid, owner.gid)
    const index = encodeIndex(entries, store.objectFormat)
    fs.writeFileSync(path.join(draft, BASE_INDEX), index, { mode: 0o600 })
    fs.renameSync(slot.tree, path.join(draft, 'tree'))
    fs.rmSync(slot.dir, { recursive: true })
  } catch (error) {
    await removeTree(path.dirname(draft), path.basename(draft))
    throw error
  }
  const seed = await publishSeed(stateDir, draft, {
    ...owner,
    store: store.gitDir,
    tree,
    mtimeS,
    filtered: order.filtered,
    entries: survey.listed.length,
    bytes: survey.bytes,
    submodules: survey.submodules,
  })
  if (seed !== undefined) void flushSeed(seed)
  return seed
}
