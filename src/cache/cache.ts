/**
 * An exact-key cache in the state database: small JSON values with the run they came from. It is a
 * cache, so it never fails its user for being full, late or absent: what does not fit is not kept.
 * Whoever uses a hit says so in the timeline, naming the origin.
 */
import { canonicalJson, type Clock, JsonValue, type RunId, type Sha256 } from '../schema/index.ts'
import {
  cacheSize,
  type Db,
  getCacheEntry,
  listCacheEntriesByUse,
  putCacheEntry,
  removeCacheEntry,
  removeOldCacheEntries,
  type State,
  touchCacheEntry,
} from '../state/index.ts'

/** Entries that one pass of `evict()` looks at. */
const EVICTION_BATCH = 100
/** `ms` between two notes that an entry was used, so that a hit rarely writes. */
const TOUCH_MS = 60_000

export interface CacheLimits {
  /** Bytes of all values. */
  totalBytes: number
  /** Bytes of one value. */
  valueBytes: number
  /** `ms` after which an entry no longer counts. */
  ageMs: number
}

export const DEFAULT_CACHE_LIMITS: CacheLimits = {
  totalBytes: 64 * 1024 * 1024,
  valueBytes: 4 * 1024 * 1024,
  ageMs: 30 * 24 * 3_600_000,
}

interface CacheHit {
  value: JsonValue
  /** The run that made it; may be gone. */
  originRun: RunId | undefined
  createdAt: number
}

export interface Cache {
  get(key: Sha256): CacheHit | undefined
  /** False when the value is too large to keep. */
  put(key: Sha256, entry: { kind: string; value: JsonValue; originRun: RunId | undefined }): boolean
  /** Removes what is too old, then the least recently used until the rest fits; returns how many. */
  evict(): number
}

export function createCache(deps: { state: State; now: Clock; limits: CacheLimits }): Cache {
  const { state, now, limits } = deps
  const evict = (): number =>
    state.transact((tx) => {
      const old = removeOldCacheEntries(tx, { createdBefore: now() - limits.ageMs })
      return old + evictLeastUsed(tx, limits.totalBytes)
    })
  return {
    get: (key) => {
      const entry = getCacheEntry(state.db, key)
      const time = now()
      if (entry === undefined || time - entry.createdAt > limits.ageMs) return undefined
      if (!state.readonly && time - entry.usedAt > TOUCH_MS)
        touchCacheEntry(state.db, key, { usedAt: time })
      const value = JsonValue.parse(JSON.parse(entry.value))
      return { value, originRun: entry.originRun, createdAt: entry.createdAt }
    },
    put: (key, { kind, value, originRun }) => {
      const text = canonicalJson(value)
      const size = Buffer.byteLength(text)
      if (size > Math.min(limits.valueBytes, limits.totalBytes)) return false
      const time = now()
      const origin = originRun === undefined ? {} : { originRun }
      state.transact((tx) => {
        putCacheEntry(tx, {
          key,
          kind,
          value: text,
          size,
          ...origin,
          createdAt: time,
          usedAt: time,
        })
        evict()
      })
      return true
    },
    evict,
  }
}

function evictLeastUsed(tx: Db, totalBytes: number): number {
  let excess = cacheSize(tx) - totalBytes
  let removed = 0
  while (excess > 0) {
    for (const { key, size } of listCacheEntriesByUse(tx, { limit: EVICTION_BATCH })) {
      if (excess <= 0) break
      removeCacheEntry(tx, key)
      excess -= size
      removed += 1
    }
  }
  return removed
}
