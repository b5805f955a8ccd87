/** Which runs are removed: by age, number and size, in each tenant alone, and only those that have ended. */
import type { Run, Tenant } from '../schema/index.ts'
import { hasEnded } from './execute.ts'

export interface Retention {
  /** Ended runs older than this are removed, in `ms`. */
  olderThanMs: number
  /** Newest ended runs of each tenant that age alone does not remove. */
  keep: number
  /** Ended runs of each tenant at most, whatever their age. */
  maxRuns: number | undefined
  /** Bytes of the ended runs of each tenant at most; the newest one always stays. */
  maxBytes: number | undefined
}

/** `runs` are newest first; what has not ended is neither counted nor chosen. */
export function chooseOldRuns(
  runs: readonly Run[],
  { olderThanMs, keep, maxRuns = Number.POSITIVE_INFINITY, maxBytes }: Retention,
  { now, bytesOf }: { now: number; bytesOf(run: Run): number },
): Run[] {
  const kept = new Map<Tenant, { runs: number; bytes: number }>()
  return runs.filter(hasEnded).filter((run) => {
    const so = kept.get(run.tenant) ?? { runs: 0, bytes: 0 }
    kept.set(run.tenant, so)
    so.runs += 1
    const isOld = (run.endedAt ?? run.createdAt) < now - olderThanMs && so.runs > keep
    if (isOld || so.runs > maxRuns) return true
    if (maxBytes === undefined) return false
    so.bytes += bytesOf(run)
    return so.bytes > maxBytes && so.runs > 1
  })
}
