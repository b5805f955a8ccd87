/**
 * A lock between processes that no crash can leave behind: the file lock of a database nobody
 * writes to, which the system takes back with the process.
 */
import SqliteDatabase from 'better-sqlite3'

/** Gives what unlocks it, or nothing while somebody else has it, in this process or another. */
export function tryProcessLock(file: string): (() => void) | undefined {
  const database = new SqliteDatabase(file, { timeout: 0 })
  try {
    database.exec('BEGIN EXCLUSIVE')
    return () => void database.close()
  } catch (error) {
    database.close()
    if (error instanceof SqliteDatabase.SqliteError && error.code.startsWith('SQLITE_BUSY'))
      return undefined
    throw error
  }
}
