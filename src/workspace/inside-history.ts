/** The history that git inside can reach, and how it comes there. */
import fs from 'node:fs'
import path from 'node:path'
import type { GitCaller } from './git.ts'
import { packDifference, packOneCommit } from './history-pack.ts'
import type { Source } from './open-source.ts'
import type { History, Slot } from './slot.ts'

export interface Inside {
  commit: string
  tree: string
  history: History
}

/** Brings what the mounted object directories do not hold. */
export async function packHistory(
  caller: GitCaller,
  slot: Slot,
  inside: Inside & { source: Source },
): Promise<void> {
  const { source, commit, history } = inside
  if (history !== 'full') return packOneCommit(caller, source.store, { slot, commit })
  if (commit === source.anchor) return undefined
  return packDifference(caller, source.store, { slot, commit, known: source.anchor })
}

/** Whether the sandbox's account can open the objects where they are. */
export function canRead(uid: number, objectDirs: readonly string[]): boolean {
  if (uid === process.getuid?.()) return true
  return objectDirs.every((directory) => {
    const stats = [directory, path.join(directory, 'pack')].map((name) =>
      fs.statSync(name, { throwIfNoEntry: false }),
    )
    return stats.every((stat) => stat === undefined || (stat.mode & 0o005) === 0o005)
  })
}
