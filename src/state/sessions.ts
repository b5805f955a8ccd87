import { and, eq } from './drizzle.ts'
import { OpenExecError, type Session, type SessionId, type Tenant } from '../schema/index.ts'
import type { Db } from './database.ts'
import { sessions } from './tables.ts'

export function insertSession(db: Db, session: Session): void {
  db.insert(sessions).values(session).run()
}

/** Throws `not_found`. */
export function getSession(db: Db, tenant: Tenant, id: SessionId): Session {
  const row = db
    .select()
    .from(sessions)
    .where(and(eq(sessions.tenant, tenant), eq(sessions.id, id)))
    .get()
  if (row === undefined) throw new OpenExecError('not_found', `Cannot find session "${id}"`)
  return row
}
