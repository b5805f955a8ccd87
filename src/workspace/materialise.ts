/**
 * Writes a tree into the empty worktree of a run. Git does the writing, with our configuration and
 * attributes only, so that blobs arrive byte for byte and no filter runs. Then every path gets the
 * sandbox's owner and the commit's time, and the index records how it lies there.
 */
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { OpenExecError } from '../schema/index.ts'
import { type BytePath, fsPath, parentsOf } from './byte-path.ts'
import type { ObjectFormat } from './content.ts'
import type { GitPlace } from './git-environment.ts'
import type { GitOutput } from './git-process.ts'
import { encodeIndex, type IndexEntry } from './git-index.ts'
import { type GitCaller, gitTry } from './git.ts'
import { type ObjectStore, storePlace } from './object-store.ts'
import type { TreeEntry } from './records.ts'
import type { Slot } from './slot.ts'
import { type Ownership, settleOne } from './settle-file.ts'
import { pauser } from './walk.ts'

/** File of the host with the stats of the fresh workspace, in git's index format. */
export const BASE_INDEX = 'base-index'

/** Fills the private index files are written from. Throws `repository_unsafe` for a path git refuses. */
export async function readTree(
  caller: GitCaller,
  store: ObjectStore,
  { slot, tree }: { slot: Slot; tree: string },
): Promise<void> {
  const { code, stderr } = await gitTry(caller, checkoutPlace(store, slot), ['read-tree', tree])
  if (code === 0) return
  throw new OpenExecError(
    'repository_unsafe',
    `Cannot make a workspace of tree ${tree}: ${stderr}`,
    {
      hint: 'The commit holds a path git refuses, such as one that reads as ".git"',
    },
  )
}

/** `listed` is the tree that was read, in the order of its index; gives what the files became. */
export async function materialise(
  caller: GitCaller,
  store: ObjectStore,
  target: { slot: Slot; listed: readonly TreeEntry[]; owner: Ownership; mtimeS: number },
): Promise<IndexEntry[]> {
  const { slot, listed } = target
  const place = checkoutPlace(store, slot)
  const writing = checkout(caller, place)
  // Follows git file by file, so that the second pass costs no time of its own.
  const settling = settle(caller, { ...target, written: progress(slot, listed, writing) })
  const [written, settled] = await Promise.allSettled([writing, settling])
  if (written.status === 'rejected') throw written.reason
  if (written.value.code !== 0) {
    throw new OpenExecError(
      'workspace_failed',
      `Cannot write the workspace: ${written.value.stderr}`,
    )
  }
  if (settled.status === 'rejected') throw settled.reason
  fs.rmSync(privateIndex(slot), { force: true })
  return settled.value
}

/** How the files lie there, for git inside and for the first snapshot. */
export function writeIndex(slot: Slot, entries: readonly IndexEntry[], format: ObjectFormat): void {
  const index = encodeIndex(entries, format)
  fs.writeFileSync(path.join(slot.git, 'index'), index, { mode: 0o644 })
  fs.writeFileSync(path.join(slot.index, BASE_INDEX), index, { mode: 0o600 })
}

/** Time for the files of a commit: its own, but old enough that any later write shows. */
export function fileTimeS(committedAtS: number, nowMs: number): number {
  const newest = Math.floor(nowMs / 1000) - 10
  const own = Number.isSafeInteger(committedAtS) ? committedAtS : newest
  return Math.max(OLDEST_S, Math.min(own, newest))
}

/** 1980-01-02: archives that tools make of a workspace cannot hold earlier times. */
const OLDEST_S = 315_619_200

function checkoutPlace(store: ObjectStore, slot: Slot): GitPlace {
  return { ...storePlace(store), workTree: slot.tree, indexFile: privateIndex(slot) }
}

function privateIndex(slot: Slot): string {
  return path.join(slot.index, 'checkout')
}

/** One worker: files appear in the order of the index. */
async function checkout(caller: GitCaller, place: GitPlace): Promise<GitOutput> {
  return gitTry(caller, place, ['-c', 'checkout.workers=1', 'checkout-index', '--all', '--quiet'])
}

/** Waits until git is done with the entry at a position: it is when a later one exists. */
function progress(
  slot: Slot,
  listed: readonly TreeEntry[],
  writing: Promise<unknown>,
): (position: number) => Promise<void> | undefined {
  let ended = false
  let complete = 0
  const end = (): void => {
    ended = true
  }
  writing.then(end, end)
  const look = async (position: number): Promise<void> => {
    while (!ended && position >= complete) {
      const ahead = Math.min(position + LOOK_AHEAD, listed.length - 1)
      const file = fsPath(slot.tree, listed[ahead]?.path ?? '')
      if (fs.lstatSync(file, { throwIfNoEntry: false }) !== undefined) complete = ahead
      if (position >= complete) await sleep(LOOK_AGAIN_MS)
    }
  }
  return (position) => (ended || position < complete ? undefined : look(position))
}

const LOOK_AHEAD = 128
const LOOK_AGAIN_MS = 2

/** Owner and time of everything, and the stats that result. */
async function settle(
  caller: GitCaller,
  target: {
    slot: Slot
    owner: Ownership
    mtimeS: number
    listed: readonly TreeEntry[]
    written(position: number): Promise<void> | undefined
  },
): Promise<IndexEntry[]> {
  const { slot, owner } = target
  const chown = process.getuid?.() === 0
  const pause = pauser(caller.signal)
  const directories = new Set<BytePath>()
  const entries: IndexEntry[] = []
  for (const [position, entry] of target.listed.entries()) {
    const waiting = target.written(position) ?? pause()
    if (waiting !== undefined) await waiting
    for (const parent of parentsOf(entry.path)) {
      if (directories.has(parent)) break
      directories.add(parent)
    }
    entries.push(settleOne(slot, entry, { owner, chown, mtimeS: target.mtimeS }))
  }
  if (chown) {
    for (const directory of directories) {
      fs.lchownSync(fsPath(slot.tree, directory), owner.uid, owner.gid)
    }
    fs.lchownSync(slot.tree, owner.uid, owner.gid)
  }
  return entries
}
