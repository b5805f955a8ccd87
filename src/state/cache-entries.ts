/** Rows of the cache. What a key covers and when entries go is decided in `cache/`. */
import { asc, eq, lt, sql } from './drizzle.ts'
import type { RunId } from '../schema/index.ts'
import type { Db } from './database.ts'
import { omitNulls } from './omit-nulls.ts'
import { cacheEntries } from './tables.ts'

interface CacheEntry {
  key: string
  kind: string
  /** JSON text */
  value: string
  /** Bytes of `value` */
  size: number
  originRun?: RunId
  createdAt: number
  usedAt: number
}

/** Replaces an entry of the same key. */
export function putCacheEntry(db: Db, entry: CacheEntry): void {
  const { key: _, ...rest } = entry
  db.insert(cacheEntries)
    .values(entry)
    .onConflictDoUpdate({
      target: cacheEntries.key,
      set: { ...rest, originRun: rest.originRun ?? null },
    })
    .run()
}

export function getCacheEntry(db: Db, key: string): CacheEntry | undefined {
  const row = db.select().from(cacheEntries).where(eq(cacheEntries.key, key)).get()
  return row === undefined ? undefined : omitNulls(row)
}

export function touchCacheEntry(db: Db, key: string, { usedAt }: { usedAt: number }): void {
  db.update(cacheEntries).set({ usedAt }).where(eq(cacheEntries.key, key)).run()
}

export function removeCacheEntry(db: Db, key: string): void {
  db.delete(cacheEntries).where(eq(cacheEntries.key, key)).run()
}

/** Removes entries made before `createdBefore`; returns how many. */
export function removeOldCacheEntries(
  db: Db,
  { createdBefore }: { createdBefore: number },
): number {
  return db.delete(cacheEntries).where(lt(cacheEntries.createdAt, createdBefore)).run().changes
}

/** Bytes of all values. */
export function cacheSize(db: Db): number {
  const row = db
    .select({ bytes: sql<number>`coalesce(sum(size), 0)` })
    .from(cacheEntries)
    .get()
  return row?.bytes ?? 0
}

/** Least recently used first. */
export function listCacheEntriesByUse(
  db: Db,
  { limit }: { limit: number },
): { key: string; size: number }[] {
  return db
    .select({ key: cacheEntries.key, size: cacheEntries.size })
    .from(cacheEntries)
    .orderBy(asc(cacheEntries.usedAt))
    .limit(limit)
    .all()
}
