/**
 * Which seed a workspace lies over: the one of its very tree, else a near one whose difference is
 * written on top, else a new one where the tree is large enough to be worth it. Where none can be
 * had, why.
 */
import fs from 'node:fs'
import path from 'node:path'
import { OpenExecError } from '../schema/index.ts'
import type { BaseTreeSurvey } from './base-tree.ts'
import { unsafePath } from './dot-git.ts'
import type { GitCaller } from './git.ts'
import type { ObjectStore } from './object-store.ts'
import { unmountable } from './overlay.ts'
import { changesBetween, type RawChange } from './raw-changes.ts'
import { remembered } from './repository-memory.ts'
import { findSeed, listSeeds, type Seed, useSeed } from './seeds.ts'

export interface SeedOptions {
  /** Entries from which a tree gets a seed of its own. */
  entriesMin: number
  /** Whether this machine and its engine can do it, measured; asked when a large tree comes. */
  usable(signal: AbortSignal): Promise<{ usable: boolean; why: string }>
}

/** Where mounting costs about as much as writing the files. */
export const SEED_ENTRIES_MIN = 2_000

export interface SeedWish {
  stateDir: string
  slotDir: string
  store: ObjectStore
  /** Tree of the workspace. */
  tree: string
  /** Paths are hidden: the tree is of this run's own making. */
  filtered: boolean
  /** Git directory of the checkout, whose index tells roughly how large the tree is. */
  gitDir: string
}

export type SeedChoice =
  | { kind: 'none'; why: string }
  /** `changes` lead from the seed's tree to the wanted one. */
  | { kind: 'seed'; seed: Seed; changes: RawChange[] }
  | { kind: 'make' }

/** Seeds compared with a tree that has none, and how different one may be. */
const COMPARED_MAX = 3
const CHANGES_MAX = 2_000
const CHANGES_SHARE = 0.1

export async function chooseSeed(
  caller: GitCaller,
  options: SeedOptions | undefined,
  wish: SeedWish,
): Promise<SeedChoice> {
  if (options === undefined) return none('switched off')
  const { stateDir, slotDir, store, tree } = wish
  const exact = findSeed(stateDir, store, tree)
  const others = exact === undefined ? nearby(wish) : []
  const entries = entriesOf(wish.gitDir)
  if (exact === undefined && others.length === 0 && entries < options.entriesMin)
    return none(`about ${entries} files, fewer than ${options.entriesMin}`)
  const blocked = unmountable(slotDir, path.join(stateDir, 'seeds', 'x'))
  if (blocked !== undefined) return none(blocked)
  const { usable, why } = await options.usable(caller.signal)
  if (!usable) return none(why)
  if (exact !== undefined && useSeed(exact, slotDir)) return chosen(exact, [])
  for (const seed of others) {
    const changes = await difference(caller, store, { seed, tree })
    if (changes !== undefined && useSeed(seed, slotDir)) return chosen(seed, changes)
  }
  return entries < options.entriesMin
    ? none(`no checkout like it, and few files`)
    : { kind: 'make' }
}

function none(why: string): SeedChoice {
  return { kind: 'none', why }
}

function chosen(seed: Seed, changes: RawChange[]): SeedChoice {
  return { kind: 'seed', seed, changes }
}

/** A tree without some paths is only ever compared with itself: what is hidden must not come near. */
function nearby({ stateDir, store, filtered }: SeedWish): Seed[] {
  if (filtered) return []
  const all = listSeeds(stateDir).filter(({ record }) => record.store === store.gitDir)
  return all.filter(({ record }) => !record.filtered).slice(0, COMPARED_MAX)
}

/** Undefined when it is too much, or holds what git has to look at itself. */
async function difference(
  caller: GitCaller,
  store: ObjectStore,
  { seed, tree }: { seed: Seed; tree: string },
): Promise<RawChange[] | undefined> {
  const { record } = seed
  try {
    const { memory } = caller.program
    const facts = [store.gitDir, record.tree, tree]
    const weigh = (found: RawChange[]) => found.length * 400
    const changes = await remembered(memory, { name: 'difference', facts, weigh }, async () =>
      changesBetween(caller, store, { from: record.tree, to: tree }),
    )
    const most = Math.min(CHANGES_MAX, Math.max(100, record.entries * CHANGES_SHARE))
    const isPlain = changes.every(
      ({ path, newMode }) => unsafePath(path) === undefined && newMode !== SUBMODULE,
    )
    return changes.length <= most && isPlain ? changes : undefined
  } catch (error) {
    caller.signal.throwIfAborted()
    // Its tree has been collected since: it helps nobody any more.
    if (error instanceof OpenExecError) return undefined
    throw error
  }
}

const SUBMODULE = '160000'

/** Of the checkout's own index; zero where there is none. */
export function entriesOf(gitDir: string): number {
  let fd: number | undefined
  try {
    fd = fs.openSync(path.join(gitDir, 'index'), fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
    const header = Buffer.alloc(12)
    const read = fs.readSync(fd, header, 0, 12, 0)
    return read === 12 && header.toString('latin1', 0, 4) === 'DIRC' ? header.readUInt32BE(8) : 0
  } catch {
    return 0
  } finally {
    if (fd !== undefined) fs.closeSync(fd)
  }
}

/** What a new seed takes up, known before it is made. */
export function hasRoom(stateDir: string, { bytes, listed }: BaseTreeSurvey): boolean {
  const { bavail, bsize, ffree } = fs.statfsSync(stateDir)
  return bavail * bsize > 2 * bytes + SPARE_BYTES && (ffree === 0 || ffree > 2 * listed.length)
}

const SPARE_BYTES = 1024 ** 3
