/** Forgets kept repositories that nothing refers to any more, and commits of others that no run began with. */
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { barePlace } from './git-environment.ts'
import { type GitCaller, gitTry } from './git.ts'
import { HELD_DIRECTORY, type KeptSource, keptUsedAt, listKept } from './kept-source.ts'
import { storeDirectory } from './object-store.ts'
import { removeTree } from './remove-tree.ts'

/** What runs refer to; asked for each repository anew. */
export type KeptInUse = () => { roots: ReadonlySet<string>; commits: ReadonlySet<string> }

/** What is younger may be about to be referred to. `ms` */
const YOUNG_MS = 2 * 3_600_000
/** Packs beyond which they are made one. */
const PACKS_MAX = 20

/** Roots that were removed. */
export async function pruneKept(
  caller: GitCaller,
  stateDir: string,
  { inUse, now }: { inUse: KeptInUse; now: number },
): Promise<string[]> {
  const removed: string[] = []
  for (const kept of listKept(stateDir)) {
    const { roots, commits } = inUse()
    if (!roots.has(kept.root) && now - keptUsedAt(kept) > YOUNG_MS) {
      await removeKept(stateDir, kept)
      removed.push(kept.root)
    } else if (roots.has(kept.root)) await slim(caller, kept, { commits, now })
  }
  await removeDrafts(stateDir, now)
  return removed
}

async function removeKept(stateDir: string, { root, gitDir }: KeptSource): Promise<void> {
  const store = storeDirectory(stateDir, gitDir)
  // Out of everybody's sight at once, whatever may happen then.
  const gone = `${root}.${createHash('sha256').update(String(Date.now())).digest('hex').slice(0, 8)}.gone`
  fs.renameSync(root, gone)
  await removeTree(path.dirname(gone), path.basename(gone))
  await removeTree(path.dirname(store), path.basename(store))
}

async function slim(
  caller: GitCaller,
  { gitDir }: KeptSource,
  { commits, now }: { commits: ReadonlySet<string>; now: number },
): Promise<void> {
  const held = path.join(gitDir, HELD_DIRECTORY)
  for (const name of fs.existsSync(held) ? fs.readdirSync(held) : []) {
    const file = path.join(held, name)
    if (!commits.has(name) && isOld(file, now)) fs.rmSync(file, { force: true })
  }
  const packs = fs.readdirSync(path.join(gitDir, 'objects/pack'))
  if (packs.filter((name) => name.endsWith('.pack')).length <= PACKS_MAX) return
  const args = ['repack', '-A', '-d', '-q', '--unpack-unreachable=2.hours.ago']
  await gitTry(caller, barePlace(gitDir), args)
}

/** What processes that were killed left beside them. */
async function removeDrafts(stateDir: string, now: number): Promise<void> {
  const parent = path.join(stateDir, 'sources')
  for (const name of fs.existsSync(parent) ? fs.readdirSync(parent) : []) {
    const isDraft = name.startsWith('new-') || name.endsWith('.gone')
    if (isDraft && isOld(path.join(parent, name), now)) await removeTree(parent, name)
  }
}

function isOld(file: string, now: number): boolean {
  const stat = fs.statSync(file, { throwIfNoEntry: false })
  return stat !== undefined && now - stat.mtimeMs > YOUNG_MS
}
