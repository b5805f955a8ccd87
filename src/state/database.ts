/**
 * One SQLite file holds the whole state; several processes may have it open at once.
 *
 * Owns opening, pragmas, transactions and closing. Every commit is durable before `transact()`
 * returns (`synchronous = FULL`); what others are told about it is told after that. Measurements and
 * alternatives: docs/decisions/0005-state-and-timeline.md.
 */
import { chmodSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import SqliteDatabase from 'better-sqlite3'
import { type BetterSQLite3Database, drizzle } from './drizzle.ts'
import { OpenExecError } from '../schema/index.ts'
import { guardClient } from './guarded-client.ts'
import { checkMigrated, migrate } from './migrate.ts'
import { translateSqliteError } from './sqlite-errors.ts'
import { prepareStateFile } from './state-file.ts'
import { useWriteAheadLog } from './write-ahead-log.ts'

const BUSY_TIMEOUT_MS = 5000
/** Bytes the write-ahead log is cut back to after a checkpoint. */
const JOURNAL_BYTES_MAX = 64 * 1024 * 1024

export type Db = Pick<BetterSQLite3Database, 'select' | 'insert' | 'update' | 'delete'>

export interface State {
  readonly db: Db
  /** `:memory:` or the path of the database. */
  readonly file: string
  readonly readonly: boolean
  /** True while a `transact()` of this state is going on. */
  readonly inTransaction: boolean
  /**
   * All or nothing, durable on return. `work` must not be async: SQLite commits when it returns, and
   * a promise is refused. A call within a call joins the outer transaction and can fail on its own.
   */
  transact<T>(work: (tx: Db) => T): T
  /** Runs `task` once the transaction that is going on has committed; never when it rolls back. */
  afterCommit(task: () => void): void
  /** Changes whenever another connection, in this process or another, has committed. */
  dataVersion(): number
  /** Copies the database as it is at one moment to a file, while it is used. */
  backup(file: string): Promise<void>
  /** `ok`, or what SQLite finds wrong; reads the whole file. */
  checkIntegrity(): 'ok' | string[]
  [Symbol.dispose](): void
}

interface OpenStateOptions {
  /** Path of the database, made with its directory when missing; `:memory:` for a private one. */
  file: string
  /** Where `0001_….sql` and its followers are; those that ship with OpenExec by default. */
  migrationsDir?: string
  /** Opens an existing database without changing it. */
  readonly?: boolean
}

/**
 * Opens and migrates the state. Throws `state_too_new` for a database of a newer OpenExec,
 * `state_corrupt` for one that is damaged or is not ours, `state_unusable` for all else.
 */
export function openState(options: OpenStateOptions): State {
  const { file, migrationsDir = SHIPPED_MIGRATIONS, readonly = false } = options
  const secret = file === ':memory:' ? undefined : prepareStateFile(file, { create: !readonly })
  const connection = connect(file, readonly)
  try {
    connection.pragma('trusted_schema = OFF')
    connection.pragma('cell_size_check = ON')
    connection.pragma('foreign_keys = ON')
    if (readonly) checkMigrated(connection, { file, migrationsDir, secret })
    else {
      useWriteAheadLog(connection, { limitMs: BUSY_TIMEOUT_MS })
      connection.pragma('synchronous = FULL')
      connection.pragma('recursive_triggers = ON')
      connection.pragma(`journal_size_limit = ${JOURNAL_BYTES_MAX}`)
      migrate(connection, { file, migrationsDir, secret })
    }
    return createState(connection, file, readonly)
  } catch (error) {
    connection.close()
    throw translateSqliteError(error, file)
  }
}

const SHIPPED_MIGRATIONS = fileURLToPath(new URL('../../migrations/', import.meta.url))

function connect(file: string, readonly: boolean): SqliteDatabase.Database {
  try {
    return new SqliteDatabase(file, { readonly, fileMustExist: readonly, timeout: BUSY_TIMEOUT_MS })
  } catch (error) {
    const known = translateSqliteError(error, file)
    if (known instanceof OpenExecError) throw known
    throw new OpenExecError('state_unusable', `Cannot open state database "${file}"`, {
      cause: error,
    })
  }
}

function createState(connection: SqliteDatabase.Database, file: string, readonly: boolean): State {
  // drizzle asks its client for `prepare()` alone; its type asks for the whole driver.
  const client = guardClient(connection, file) as unknown as SqliteDatabase.Database
  const db: Db = drizzle({ client })
  const dataVersion = connection.prepare('PRAGMA data_version').pluck()
  const committed: (() => void)[] = []
  return {
    db,
    file,
    readonly,
    get inTransaction() {
      return connection.inTransaction
    },
    transact: (work) => {
      const mark = committed.length
      let result
      try {
        result = connection.transaction(() => work(db)).immediate()
      } catch (error) {
        committed.length = mark
        throw translateSqliteError(error, file)
      }
      if (!connection.inTransaction) runAll(committed.splice(0))
      return result
    },
    afterCommit: (task) => {
      if (connection.inTransaction) committed.push(task)
      else task()
    },
    dataVersion: () => Number(dataVersion.get()),
    backup: async (to) => {
      await connection.backup(to)
      chmodSync(to, 0o600)
    },
    checkIntegrity: () => integrityOf(connection),
    [Symbol.dispose]: () => connection.close(),
  }
}

/** Every task runs, whatever another one throws: the commit they follow stands. */
function runAll(tasks: readonly (() => void)[]): void {
  for (const task of tasks) {
    try {
      task()
    } catch (error) {
      queueMicrotask(() => {
        throw error
      })
    }
  }
}

function integrityOf(connection: SqliteDatabase.Database): 'ok' | string[] {
  const rows = connection.prepare('PRAGMA integrity_check(20)').pluck().all().map(String)
  const orphans = connection.pragma('foreign_key_check')
  if (Array.isArray(orphans) && orphans.length > 0)
    rows.push(`${orphans.length} rows refer to rows that are missing`)
  return rows.length === 1 && rows[0] === 'ok' ? 'ok' : rows.filter((row) => row !== 'ok')
}
