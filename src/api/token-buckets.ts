/**
 * How often somebody may do something: a bucket each that fills at a steady rate and is emptied by
 * one with each use. Keys come from outside, so the number of buckets is bounded: the one that was
 * used longest ago goes first, and it is the fullest of all.
 */

export interface Rate {
  /** Uses a second, in the long run. */
  perSecond: number
  /** Uses at once, after a rest. */
  burst: number
}

export interface Use {
  allowed: boolean
  limit: number
  /** Uses that are left now. */
  remaining: number
  /** Whole seconds until the bucket is full again. */
  resetS: number
  /** Whole seconds until there is one more use; 0 where there is one. */
  retryAfterS: number
}

export interface Buckets {
  take(key: string): Use
  readonly size: number
}

/** `now` is monotonic, in `ms`. */
export function createBuckets(
  { perSecond, burst }: Rate,
  { now, keysMax }: { now(): number; keysMax: number },
): Buckets {
  const buckets = new Map<string, { level: number; at: number }>()
  return {
    get size() {
      return buckets.size
    },
    take(key) {
      const at = now()
      const last = buckets.get(key) ?? { level: burst, at }
      const filled = Math.min(burst, last.level + ((at - last.at) / 1000) * perSecond)
      const allowed = filled >= 1
      const level = allowed ? filled - 1 : filled
      // Taken out and put in again, it is the newest of the map.
      buckets.delete(key)
      buckets.set(key, { level, at })
      const [oldest] = buckets.keys()
      if (buckets.size > keysMax && oldest !== undefined) buckets.delete(oldest)
      return {
        allowed,
        limit: burst,
        remaining: Math.floor(level),
        resetS: Math.ceil((burst - level) / perSecond),
        retryAfterS: level >= 1 ? 0 : Math.max(1, Math.ceil((1 - level) / perSecond)),
      }
    },
  }
}
