import type { Session } from '../schema/index.ts'
import type { Db } from './database.ts'
import { sessions } from './tables.ts'

export function insertSession(db: Db, session: Session): void {
  db.insert(sessions).values(session).run()
}
