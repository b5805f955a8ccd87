/**
 * A lock between processes that no crash can leave behind: the file lock of a database nobody
 * writes to, which the system takes back with the process.
 */
import SqliteDatabase from 'better-sqlite3'

/** A database nobody refers to is closed when memory is collected, and its lock is gone with it. */
const held = new Set<SqliteDatabase.Database>()

/** Gives what unlocks it, or nothing while somebody else has it, in this process or another. */
export function tryProcessLock(file: string): (() => void) | undefined {
  const database = new SqliteDatabase(file, { timeout: 0 })
  try {
    database.exec('BEGIN EXCLUSIVE')
    held.add(database)
    return () => {
      held.delete(database)
      database.close()
    }
  } catch (error) {
    database.close()
    if (error instanceof SqliteDatabase.SqliteError && error.code.startsWith('SQLITE_BUSY'))
      return undefined
    throw error
  }
}
