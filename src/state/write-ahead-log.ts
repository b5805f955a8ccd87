import type SqliteDatabase from 'better-sqlite3'
import { sqliteCode } from './sqlite-errors.ts'

/** `ms` between two tries. */
const RETRY_MS = 10

/**
 * Turns the write-ahead log on. Two processes that make the same database at the same moment refuse
 * each other here at once, past SQLite's own busy handler, so this tries again up to `limitMs`.
 */
export function useWriteAheadLog(
  connection: SqliteDatabase.Database,
  { limitMs }: { limitMs: number },
): void {
  const giveUpAt = performance.now() + limitMs
  for (;;) {
    try {
      connection.pragma('journal_mode = WAL')
      return
    } catch (error) {
      const busy = sqliteCode(error)?.startsWith('SQLITE_BUSY') === true
      if (!busy || performance.now() > giveUpAt) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS)
    }
  }
}
