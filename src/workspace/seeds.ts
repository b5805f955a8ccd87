/**
 * Seeds: checkouts of one tree each, made once, never written to afterwards, over which any number of
 * workspaces lie. A seed appears under its name when it is whole. Who lies over it leaves a file in
 * `uses/` first; a seed is removed only when none of the slots named there exists, under another name,
 * so that whoever comes in between finds none and makes do without.
 */
import { createHash, randomUUID } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import { errorCode } from './directory.ts'
import { runProgram, unmountBelow } from './mount-table.ts'
import type { ObjectStore } from './object-store.ts'
import { removeTree } from './remove-tree.ts'

const SeedRecord = z.object({
  version: z.literal(1),
  /** Object store the tree is in. */
  store: z.string(),
  tree: z.string(),
  uid: z.number().int(),
  gid: z.number().int(),
  /** Time of every file, in seconds. */
  mtimeS: z.number().int(),
  /** Paths are missing that policy hides. */
  filtered: z.boolean(),
  entries: z.number().int(),
  bytes: z.number().int(),
  /** Paths of submodules, one character per byte. */
  submodules: z.array(z.string()),
  /** Start of the machine it was written under: what may not be on disk yet is known to be whole. */
  boot: z.string(),
})
export type SeedRecord = z.infer<typeof SeedRecord>

export interface Seed {
  /** Absolute. */
  dir: string
  /** The checkout. */
  tree: string
  /** How its files lie there, as a git index. */
  index: string
  record: SeedRecord
}

/** A draft is somebody's who is at work, unless it is older than that; in `ms`. */
const DRAFT_MAX_MS = 3_600_000

function seedsDir(stateDir: string): string {
  return path.join(stateDir, 'seeds')
}

function seedName(storeDir: string, tree: string): string {
  return createHash('sha256')
    .update(JSON.stringify([storeDir, tree]))
    .digest('hex')
    .slice(0, 32)
}

/** The seed of exactly this tree. */
export function findSeed(stateDir: string, store: ObjectStore, tree: string): Seed | undefined {
  return seedAt(path.join(seedsDir(stateDir), seedName(store.gitDir, tree)))
}

/** All whole ones, used last first. */
export function listSeeds(stateDir: string): Seed[] {
  const parent = seedsDir(stateDir)
  const names = fs.existsSync(parent) ? fs.readdirSync(parent) : []
  const seeds = names
    .filter((name) => NAME.test(name))
    .map((name) => seedAt(path.join(parent, name)))
  return seeds.filter((seed) => seed !== undefined).toSorted((a, b) => usedAt(b) - usedAt(a))
}

const NAME = /^[0-9a-f]{32}$/

function seedAt(dir: string): Seed | undefined {
  try {
    const text = fs.readFileSync(path.join(dir, 'seed.json'), 'utf8')
    const record = SeedRecord.parse(JSON.parse(text))
    // After a power cut, files that were never flushed may be empty.
    const isWhole = record.boot === bootId() || fs.existsSync(path.join(dir, 'flushed'))
    if (!isWhole) return undefined
    return { dir, tree: path.join(dir, 'tree'), index: path.join(dir, 'base-index'), record }
  } catch {
    // None, or one that somebody removes just now.
    return undefined
  }
}

/** When a workspace last came or went; epoch `ms`. */
function usedAt({ dir }: Pick<Seed, 'dir'>): number {
  return fs.statSync(path.join(dir, 'uses'), { throwIfNoEntry: false })?.mtimeMs ?? 0
}

/** Keeps the seed for a slot from now on; false when it has just gone. */
export function useSeed({ dir }: Seed, slotDir: string): boolean {
  try {
    fs.writeFileSync(useFile(dir, slotDir), slotDir, { mode: 0o600 })
    return true
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false
    throw error
  }
}

/** The slot is gone, or about to be. */
export function leaveSeed(dir: string, slotDir: string): void {
  fs.rmSync(useFile(dir, slotDir), { force: true })
}

function useFile(dir: string, slotDir: string): string {
  const name = createHash('sha256').update(slotDir).digest('hex').slice(0, 32)
  return path.join(dir, 'uses', name)
}

/** Whether a slot that lies over it exists. */
function isUsed(dir: string): boolean {
  const uses = path.join(dir, 'uses')
  const names = fs.existsSync(uses) ? fs.readdirSync(uses) : []
  return names.some((name) => fs.existsSync(fs.readFileSync(path.join(uses, name), 'utf8')))
}

/** A directory to make a seed in, nobody else's. */
export function draftSeed(stateDir: string): string {
  fs.mkdirSync(seedsDir(stateDir), { recursive: true, mode: 0o700 })
  const draft = path.join(seedsDir(stateDir), `${randomUUID()}.draft`)
  fs.mkdirSync(draft, { mode: 0o700 })
  return draft
}

/** Gives a whole draft its name; where another process was first, that one's seed is taken. */
export async function publishSeed(
  stateDir: string,
  draft: string,
  record: Omit<SeedRecord, 'boot' | 'version'>,
): Promise<Seed | undefined> {
  const name = seedName(record.store, record.tree)
  const dir = path.join(seedsDir(stateDir), name)
  fs.mkdirSync(path.join(draft, 'uses'), { mode: 0o700 })
  const full: SeedRecord = { version: 1, ...record, boot: bootId() }
  fs.writeFileSync(path.join(draft, 'seed.json'), JSON.stringify(full), { mode: 0o600 })
  try {
    fs.renameSync(draft, dir)
  } catch (error) {
    await removeTree(path.dirname(draft), path.basename(draft))
    if (errorCode(error) !== 'ENOTEMPTY' && errorCode(error) !== 'EEXIST') throw error
  }
  return seedAt(dir)
}

/** Once its bytes are on disk, it also outlives a power cut. Never fails. */
export async function flushSeed({ dir }: Seed): Promise<void> {
  if ((await runProgram('/bin/sync', ['-f', path.join(dir, 'seed.json')])) !== undefined) return
  try {
    fs.writeFileSync(path.join(dir, 'flushed'), '')
  } catch {
    // It was removed meanwhile.
  }
}

interface SeedLimits {
  count: number
  /** Of all checkouts together. */
  bytes: number
  /** `ms` since a workspace last came or went. */
  idleMs: number
}

/** Shared checkouts that stay, at most: of many repositories, or of one over time. */
export const SEED_LIMITS: SeedLimits = {
  count: 16,
  bytes: 20 * 1024 ** 3,
  idleMs: 14 * 24 * 3_600_000,
}

/** Removes what is broken, too old or too much, oldest first; never one a workspace lies over. */
export async function pruneSeeds(
  stateDir: string,
  limits: SeedLimits,
  nowMs: number,
): Promise<string[]> {
  const parent = seedsDir(stateDir)
  const removed: string[] = []
  const kept = { count: 0, bytes: 0 }
  for (const seed of listSeeds(stateDir)) {
    const { bytes } = seed.record
    const isOver = kept.count >= limits.count || kept.bytes + bytes > limits.bytes
    const isOld = nowMs - usedAt(seed) > limits.idleMs
    if ((isOver || isOld) && (await removeSeed(seed.dir))) removed.push(path.basename(seed.dir))
    else kept.count += 1
    kept.bytes += bytes
  }
  for (const name of fs.existsSync(parent) ? fs.readdirSync(parent) : []) {
    const dir = path.join(parent, name)
    if (NAME.test(name) ? seedAt(dir) !== undefined : !isLeft(dir, nowMs)) continue
    if (await removeSeed(dir)) removed.push(name)
  }
  return removed
}

/** A draft, a trial or a removal that nobody goes on with. */
function isLeft(dir: string, nowMs: number): boolean {
  if (dir.endsWith('.gone') || /\.rm\d+$/.test(dir)) return true
  const stat = fs.statSync(dir, { throwIfNoEntry: false })
  const isPassing = dir.endsWith('.draft') || path.basename(dir).startsWith('probe-')
  return isPassing && stat !== undefined && nowMs - stat.mtimeMs > DRAFT_MAX_MS
}

async function removeSeed(dir: string): Promise<boolean> {
  if (isUsed(dir)) return false
  const gone = dir.endsWith('.gone') ? dir : `${dir}.gone`
  if (gone !== dir) fs.renameSync(dir, gone)
  if (isUsed(gone)) {
    // Somebody came in between; its mount holds the directories, whatever they are called.
    fs.renameSync(gone, dir)
    return false
  }
  await unmountBelow(gone)
  await removeTree(path.dirname(gone), path.basename(gone))
  return true
}

let boot: string | undefined
function bootId(): string {
  boot ??= fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  return boot
}
