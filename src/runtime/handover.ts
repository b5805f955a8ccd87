import type { PreparedRun } from '../blueprint/index.ts'
import type { RunId } from '../schema/index.ts'

type Seen = Pick<PreparedRun, 'source' | 'head'>

/** Runs that were submitted and not begun, of which this remembers what was seen and begun. */
const KEPT_MAX = 64

/** What a run that this process begins right after it was submitted need not do twice. */
export function createHandover(): {
  keep(id: RunId, seen: Seen): void
  take(id: RunId): Partial<Seen>
  /** Removes what was begun and not taken. */
  close(): Promise<void>
} {
  const kept = new Map<RunId, Seen>()
  return {
    keep(id, { source, head }) {
      kept.set(id, { source, head })
      const [oldest] = kept
      if (kept.size <= KEPT_MAX || oldest === undefined) return
      kept.delete(oldest[0])
      // What it leaves, the next clean-up finds.
      void oldest[1].head?.abandon().catch(() => {})
    },
    take(id) {
      const seen = kept.get(id) ?? {}
      kept.delete(id)
      return seen
    },
    async close() {
      await Promise.allSettled([...kept.values()].map(async ({ head }) => head?.abandon()))
      kept.clear()
    },
  }
}
