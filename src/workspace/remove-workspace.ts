/** Takes a workspace away: its directory and its entry in the user's repository. Safe to repeat. */
import fs from 'node:fs'
import path from 'node:path'
import { recoverApply } from './apply-journal.ts'
import { listKept } from './kept-source.ts'
import { listObjectStores } from './object-store.ts'
import { unmountBelow } from './mount-table.ts'
import { sweepQuarantines } from './quarantine.ts'
import { removeTree } from './remove-tree.ts'
import { leaveSeed } from './seeds.ts'
import { readRecord, slotAt } from './slot.ts'
import { listWorktreeEntries, removeWorktreeEntry } from './worktree-entry.ts'

export async function removeSlot(
  slotDir: string,
  owner: { commonDir: string; runId: string } | undefined,
): Promise<void> {
  const known = owner ?? ownerOf(slotDir)
  if (known !== undefined) removeWorktreeEntry(known.commonDir, slotDir, known.runId)
  const seed = seedOf(slotDir)
  const [parent, name] = [path.dirname(slotDir), path.basename(slotDir)]
  // Out of the way before anything is waited for: the run may begin again in the same place meanwhile.
  const isAside = movedAside(parent, name)
  // That, and what an earlier attempt had moved aside when it was cut off.
  const rest = fs.existsSync(parent) ? fs.readdirSync(parent) : []
  const aside = rest.filter((left) => left.startsWith(`${name}.rm`))
  for (const left of isAside ? aside : [name, ...aside]) {
    // Below a mount lies the seed, which `rm` must not come near.
    await unmountBelow(path.join(parent, left))
    await removeTree(parent, left)
  }
  if (seed !== undefined) leaveSeed(seed, slotDir)
}

function seedOf(slotDir: string): string | undefined {
  try {
    return readRecord(slotAt(slotDir)).seed?.dir
  } catch {
    // Without a record, the seed finds out by itself that the slot is gone.
    return undefined
  }
}

const ASIDE_MAX = 10_000

function movedAside(parent: string, name: string): boolean {
  const from = path.join(parent, name)
  for (let number = 0; number < ASIDE_MAX; number++) {
    const aside = path.join(parent, `${name}.rm${number}`)
    if (fs.lstatSync(aside, { throwIfNoEntry: false }) !== undefined) continue
    try {
      fs.renameSync(from, aside)
      return true
    } catch {
      // Not there, or not to be moved.
      return false
    }
  }
  return false
}

export interface Swept {
  /** Runs whose workspace was removed. */
  removed: string[]
  /** Slots that could not be removed, and checkouts in which a half-done apply could not be undone. */
  failed: { slotDir: string; error: unknown }[]
}

/** Removes each workspace below `<stateDir>/work` that no live run owns, and entries without one. */
export async function sweepSlots(
  stateDir: string,
  isLive: (runId: string) => boolean,
): Promise<Swept> {
  const workDir = path.join(stateDir, 'work')
  const stores = listObjectStores(stateDir)
  const swept: Swept = { removed: [], failed: [] }
  const remove = async (slotDir: string, runId: string): Promise<void> => {
    try {
      for (const { commonDir } of stores) removeWorktreeEntry(commonDir, slotDir, runId)
      await removeSlot(slotDir, undefined)
      swept.removed.push(runId)
    } catch (error) {
      swept.failed.push({ slotDir, error })
    }
  }
  for (const name of fs.existsSync(workDir) ? fs.readdirSync(workDir) : []) {
    // A name with a suffix is what an earlier removal had moved aside.
    const runId = name.replace(/\.rm\d+$/, '')
    if (!isLive(runId)) await remove(path.join(workDir, runId), runId)
  }
  for (const { commonDir } of stores) {
    for (const { runId, slotDir } of listWorktreeEntries(commonDir, workDir)) {
      if (!isLive(runId)) await remove(slotDir, runId)
    }
  }
  for (const { commonDir } of stores) {
    const root = path.dirname(commonDir)
    // What is left in other checkouts of the repository, the next apply or merge there looks after.
    if (path.basename(commonDir) === '.git' && fs.existsSync(commonDir))
      await recoverApply({ root, gitDir: commonDir, commonDir }).catch((error: unknown) => {
        swept.failed.push({ slotDir: root, error })
      })
  }
  for (const kept of listKept(stateDir)) {
    try {
      sweepQuarantines(kept)
    } catch (error) {
      // A git that outlives the process that started it may still write there.
      swept.failed.push({ slotDir: kept.gitDir, error })
    }
  }
  return { ...swept, removed: [...new Set(swept.removed)] }
}

function ownerOf(slotDir: string): { commonDir: string; runId: string } | undefined {
  try {
    const { commonDir, runId } = readRecord(slotAt(slotDir))
    return { commonDir, runId }
  } catch {
    // Without a record only the directory is left; a sweep finds the entry.
    return undefined
  }
}
