import { eq } from './drizzle.ts'
import type { Db } from './database.ts'
import { meta } from './tables.ts'

/** Small facts about the whole state. */
type MetaKey = 'server' | 'webhooks'

export function readMeta(db: Db, key: MetaKey): string | undefined {
  return db.select().from(meta).where(eq(meta.key, key)).get()?.value
}

export function writeMeta(db: Db, key: MetaKey, value: string): void {
  db.insert(meta)
    .values({ key, value })
    .onConflictDoUpdate({ target: meta.key, set: { value } })
    .run()
}
