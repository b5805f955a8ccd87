import fs from 'node:fs'
import { diskUsage } from './disk-usage.ts'
import { upperDir } from './overlay.ts'
import { slotAt } from './slot.ts'
import { SNAPSHOT_LIMITS } from './snapshot.ts'

/** What can be written from inside: the tree, and where commits are allowed the private git directory. */
export async function slotUsage(
  slotDir: string,
  signal: AbortSignal,
): Promise<{ bytes: number; inodes: number }> {
  const look = { limits: SNAPSHOT_LIMITS, signal }
  const slot = slotAt(slotDir)
  // Over a shared checkout, what was written lies beside the tree.
  const upper = upperDir(slot)
  const written = fs.existsSync(upper) ? upper : slot.tree
  const [tree, git] = await Promise.all([diskUsage(written, look), diskUsage(slot.git, look)])
  return { bytes: tree.bytes + git.bytes, inodes: tree.inodes + git.inodes }
}
