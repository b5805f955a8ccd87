import { and, eq, lt } from './drizzle.ts'
import type { RunId, Tenant } from '../schema/index.ts'
import type { Db } from './database.ts'
import { idempotencyKeys } from './tables.ts'

interface KeptRequest {
  tenant: Tenant
  key: string
  /** Of the body, so that a key is not used for something else. */
  requestHash: string
  runId: RunId
  createdAt: number
}

/** In the transaction that makes the run; a key of a tenant names one run for ever. */
export function keepIdempotent(db: Db, request: KeptRequest): void {
  db.insert(idempotencyKeys).values(request).run()
}

export function findIdempotent(db: Db, tenant: Tenant, key: string): KeptRequest | undefined {
  const mine = and(eq(idempotencyKeys.tenant, tenant), eq(idempotencyKeys.key, key))
  return db.select().from(idempotencyKeys).where(mine).get()
}

export function removeOldIdempotent(db: Db, { before }: { before: number }): void {
  db.delete(idempotencyKeys).where(lt(idempotencyKeys.createdAt, before)).run()
}
