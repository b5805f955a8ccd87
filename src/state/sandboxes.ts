import { eq } from './drizzle.ts'
import type { JsonValue, RunId, SandboxId } from '../schema/index.ts'
import type { Db } from './database.ts'
import { omitNulls } from './omit-nulls.ts'
import { sandboxes, sandboxSessions } from './tables.ts'

/** A container that exists or may exist; written before it is created, removed after it is gone. */
interface SandboxRow {
  id: SandboxId
  /** Undefined while it waits for a run. */
  runId?: RunId
  /** Name of the container at the engine. */
  container: string
  createdAt: number
  /** After this time it may be removed whoever owns it. */
  expiresAt: number
}

export function insertSandbox(db: Db, sandbox: SandboxRow): void {
  db.insert(sandboxes).values(sandbox).run()
}

/** Safe to call twice. */
export function removeSandbox(db: Db, id: SandboxId): void {
  db.delete(sandboxes).where(eq(sandboxes.id, id)).run()
}

/** Oldest first. */
export function listSandboxes(db: Db): SandboxRow[] {
  return db.select().from(sandboxes).orderBy(sandboxes.createdAt).all().map(omitNulls)
}

/** How another process finds the sandbox again; goes with its row. Holds the key of its pipe. */
export function keepSession(db: Db, sandboxId: SandboxId, session: JsonValue): void {
  db.insert(sandboxSessions).values({ sandboxId, session }).run()
}

export function findSession(db: Db, id: SandboxId): JsonValue | undefined {
  return db.select().from(sandboxSessions).where(eq(sandboxSessions.sandboxId, id)).get()?.session
}
