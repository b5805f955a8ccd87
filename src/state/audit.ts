import { and, asc, eq, gt } from './drizzle.ts'
import type { AuditEntry, Tenant } from '../schema/index.ts'
import type { Db } from './database.ts'
import { omitNulls } from './omit-nulls.ts'
import { auditEntries } from './tables.ts'

/** The database refuses to change or remove an entry. */
export function appendAudit(db: Db, entry: Omit<AuditEntry, 'ordinal'>): void {
  db.insert(auditEntries).values(entry).run()
}

/** Oldest first; of every tenant when none is named. */
export function listAudit(
  db: Db,
  { tenant, after, limit }: { tenant: Tenant | undefined; after: number; limit: number },
): AuditEntry[] {
  const only = tenant === undefined ? undefined : eq(auditEntries.tenant, tenant)
  const rows = db
    .select()
    .from(auditEntries)
    .where(and(only, gt(auditEntries.ordinal, after)))
    .orderBy(asc(auditEntries.ordinal))
    .limit(limit)
  return rows.all().map((row) => ({ ...omitNulls(row), ordinal: row.ordinal }))
}
