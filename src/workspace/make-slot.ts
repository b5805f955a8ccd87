/** What of a slot is mounted by itself, and a slot that is made ahead of its run. */
import fs from 'node:fs'
import path from 'node:path'
import { GIT_FILE } from './private-gitdir.ts'
import type { Ownership } from './settle-file.ts'
import { makeSlot, type Slot, slotAt } from './slot.ts'

/**
 * Makes a slot ahead of its run: empty, but with everything that is mounted, so that a sandbox can
 * be started on it before anybody knows which commit it is for. Throws `workspace_failed`.
 */
export function premakeSlot(slotDir: string, owner: Ownership): void {
  const slot = slotAt(slotDir)
  makeSlot(slot)
  writeMounted(slot, { tree: true })
  giveAway(slot, owner, { tree: true })
}

/** Files that are mounted by themselves; a seed has the one in the tree. */
export function writeMounted(slot: Slot, { tree }: { tree: boolean }): void {
  if (tree) fs.writeFileSync(path.join(slot.tree, '.git'), GIT_FILE, { mode: 0o644 })
  fs.writeFileSync(path.join(slot.index, 'git-file'), GIT_FILE, { mode: 0o644 })
  fs.writeFileSync(path.join(slot.index, 'no-alternates'), '', { mode: 0o644 })
}

/**
 * Gives the sandbox's user what it may own; the tree's own entries have their owner already, and over
 * a seed all of the tree has.
 */
export function giveAway(slot: Slot, owner: Ownership, { tree }: { tree: boolean }): void {
  if (process.getuid?.() !== 0) return
  const below = fs.readdirSync(slot.git, { recursive: true, encoding: 'utf8' })
  for (const name of ['', ...below]) fs.lchownSync(path.join(slot.git, name), owner.uid, owner.gid)
  // Git inside looks at the owner of its pointer too, the pinned one included.
  const pinned = path.join(slot.index, 'git-file')
  const files = tree ? [slot.tree, path.join(slot.tree, '.git'), pinned] : [pinned]
  for (const file of files) {
    fs.lchownSync(file, owner.uid, owner.gid)
  }
}
