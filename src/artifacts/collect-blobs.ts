import { readdirSync, statSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { isContentReferenced, type State } from '../state/index.ts'
import { blobPath, incomingDir } from './blobs.ts'

/** Files looked at while the database's write lock is held. */
const BATCH_SIZE = 200
const SHARD = /^[0-9a-f]{2}$/
const REST = /^[0-9a-f]{62}$/

export interface BlobCollection {
  blobs: number
  /** Bytes */
  freed: number
}

/**
 * Removes blobs that no artifact names and that were stored before `before` (epoch `ms`). The check
 * and the removal happen under the database's write lock, so none that is being recorded can go.
 */
export function collectBlobs(
  state: State,
  blobsDir: string,
  { before }: { before: number },
): BlobCollection {
  const collection: BlobCollection = { blobs: 0, freed: 0 }
  const names = (dir: string) => listIfThere(dir)
  for (const shard of names(blobsDir).filter((name) => SHARD.test(name))) {
    const rest = names(join(blobsDir, shard)).filter((name) => REST.test(name))
    for (let i = 0; i < rest.length; i += BATCH_SIZE)
      state.transact((tx) => {
        for (const name of rest.slice(i, i + BATCH_SIZE))
          if (!isContentReferenced(tx, shard + name))
            removeOld(blobPath(blobsDir, shard + name), before, collection)
      })
  }
  const incoming = incomingDir(blobsDir)
  for (const name of names(incoming)) removeOld(join(incoming, name), before, collection)
  return collection
}

function listIfThere(dir: string): string[] {
  try {
    return readdirSync(dir)
  } catch {
    return []
  }
}

function removeOld(path: string, before: number, collection: BlobCollection): void {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined || stat.mtimeMs >= before) return
  unlinkSync(path)
  collection.blobs += 1
  collection.freed += stat.size
}
