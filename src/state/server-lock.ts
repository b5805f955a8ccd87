/**
 * One server for each state directory. The lock is one of the operating system on a file of its own,
 * held through SQLite: it ends with the process whatever ends it, and holds between containers that
 * cannot see each other's processes.
 */
import { closeSync, lstatSync, openSync } from 'node:fs'
import { join } from 'node:path'
import SqliteDatabase from 'better-sqlite3'
import { OpenExecError } from '../schema/index.ts'
import { sqliteCode } from './sqlite-errors.ts'

const FILE = 'server.lock'

/** Throws `conflict` while another server has the directory, `state_unusable` for all else. */
export function lockServer(directory: string): { [Symbol.dispose](): void } {
  const file = join(directory, FILE)
  const stat = lstatSync(file, { throwIfNoEntry: false })
  if (stat !== undefined && !stat.isFile())
    throw new OpenExecError('state_unusable', `Cannot lock "${file}": it is not a plain file`)
  let connection: SqliteDatabase.Database | undefined
  try {
    closeSync(openSync(file, 'a', 0o600))
    connection = new SqliteDatabase(file, { timeout: 0 })
    connection.pragma('journal_mode = DELETE')
    connection.exec('BEGIN EXCLUSIVE')
  } catch (cause) {
    connection?.close()
    if (sqliteCode(cause)?.startsWith('SQLITE_BUSY') === true)
      throw new OpenExecError(
        'conflict',
        `Cannot serve "${directory}": another server has this state directory`,
        { hint: 'Stop it first, or name another directory with --state DIR', cause },
      )
    throw new OpenExecError('state_unusable', `Cannot lock "${file}"`, { cause })
  }
  const held = connection
  return { [Symbol.dispose]: () => held.close() }
}
