import { createHash } from 'node:crypto'

/** User ids of sandboxes when the orchestrator is root: one for each run, owned by nobody else. */
const UID_BASE = 200_000
const UID_RANGE = 65_536

/** The caller's own user, or one of nobody's when the caller is root. */
export function userFor(name: string): { uid: number; gid: number } {
  const [uid, gid] = [process.getuid?.() ?? UID_BASE, process.getgid?.() ?? UID_BASE]
  if (uid !== 0) return { uid, gid: gid === 0 ? uid : gid }
  const digest = createHash('sha256').update(name).digest().readUInt32BE(0)
  const own = UID_BASE + (digest % UID_RANGE)
  return { uid: own, gid: own }
}
