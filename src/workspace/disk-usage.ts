/** What a directory takes on disk, looked up within bounds; for watching a workspace while it is used. */
import { OpenExecError } from '../schema/index.ts'
import { walk, type WalkLimits } from './walk.ts'

export interface DiskUsage {
  /** Bytes allocated, not the sum of lengths: a sparse file takes what it holds. */
  bytes: number
  inodes: number
  /** False when some of it could not be counted, because there is too much or it lies too deep. */
  complete: boolean
}

const BLOCK_BYTES = 512
const LINKED_KEPT_MAX = 100_000

export async function diskUsage(
  directory: string,
  options: { limits: WalkLimits; signal: AbortSignal },
): Promise<DiskUsage> {
  const usage: DiskUsage = { bytes: 0, inodes: 1, complete: true }
  const linked = new Set<number>()
  const count = (
    stat: { blocks: number; nlink: number; ino: number },
    isDirectory: boolean,
  ): void => {
    if (!isDirectory && stat.nlink > 1 && linked.size < LINKED_KEPT_MAX) {
      // A file with many names is on disk once.
      if (linked.has(stat.ino)) return
      linked.add(stat.ino)
    }
    usage.inodes += 1
    usage.bytes += stat.blocks * BLOCK_BYTES
  }
  try {
    await walk(
      directory,
      {
        enter({ stat }) {
          count(stat, true)
          return true
        },
        visit: ({ stat }) => count(stat, false),
        obstacle(_path, why) {
          if (why !== 'changed') usage.complete = false
        },
      },
      options,
    )
  } catch (error) {
    if (!(error instanceof OpenExecError) || error.code === 'cancelled') throw error
    usage.complete = false
  }
  return usage
}
