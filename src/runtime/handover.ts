import type { PreparedRun } from '../blueprint/index.ts'
import type { RunId } from '../schema/index.ts'

type Source = PreparedRun['source']

/** Runs that were submitted and not begun, of which this remembers what was seen of the repository. */
const KEPT_MAX = 64

/** A run that this process begins right after it was submitted need not look at its repository twice. */
export function createHandover(): {
  keep(id: RunId, source: Source): void
  take(id: RunId): Source | undefined
} {
  const kept = new Map<RunId, Source>()
  return {
    keep(id, source) {
      kept.set(id, source)
      const [oldest] = kept.keys()
      if (kept.size > KEPT_MAX && oldest !== undefined) kept.delete(oldest)
    },
    take(id) {
      const source = kept.get(id)
      kept.delete(id)
      return source
    },
  }
}
