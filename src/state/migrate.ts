/**
 * Brings a database up to the migrations that ship: numbered SQL files, applied in order, each once.
 *
 * Every file runs in its own immediate transaction that first looks again at what is applied, so two
 * processes that open one database at once take turns. A file that was changed after it was applied
 * is refused, because the database then no longer is what the code believes.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type SqliteDatabase from 'better-sqlite3'
import { OpenExecError } from '../schema/index.ts'

/** Marks the file as ours in its header: "OExc". */
const APPLICATION_ID = 0x4f457863
/** Row of `meta` that repeats the secret of the state directory. */
const SECRET_KEY = 'directory'
const NAME = /^(\d{4})_[a-z0-9_]+\.sql$/

interface Migration {
  version: number
  name: string
  sql: string
  checksum: string
}

interface MigrateOptions {
  file: string
  migrationsDir: string
  /** Of the directory the database lies in; `undefined` for one in memory. */
  secret: string | undefined
}

/** Throws `state_too_new`, `state_corrupt` (not ours) or `state_unusable` (changed migration). */
export function migrate(connection: SqliteDatabase.Database, options: MigrateOptions): void {
  const migrations = readMigrations(options.migrationsDir)
  refuseForeign(connection, options)
  for (const migration of pendingOf(connection, migrations, options.file))
    connection
      .transaction(() => {
        const pending = pendingOf(connection, migrations, options.file)
        if (pending.includes(migration)) applyMigration(connection, migration, options)
      })
      .immediate()
}

/** The same checks for a database that must not be changed; `state_unusable` when it is too old. */
export function checkMigrated(connection: SqliteDatabase.Database, options: MigrateOptions): void {
  refuseForeign(connection, options)
  const pending = pendingOf(connection, readMigrations(options.migrationsDir), options.file)
  if (pending.length === 0) return
  throw new OpenExecError(
    'state_unusable',
    `Cannot read state database "${options.file}": it must be migrated first`,
    { hint: 'Run any command that may write to it, for example `openexec gc`' },
  )
}

function readMigrations(dir: string): Migration[] {
  const names = readdirSync(dir)
    .filter((name) => name.endsWith('.sql'))
    .sort()
  return names.map((name, index) => {
    const version = Number(NAME.exec(name)?.[1])
    if (version !== index + 1)
      throw new Error(`Cannot use migration "${name}": expected number ${index + 1}`)
    const sql = readFileSync(join(dir, name), 'utf8').replaceAll('\r\n', '\n')
    return { version, name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
  })
}

/** Nothing of a database is run or believed before it is known to be the one made here. */
function refuseForeign(
  connection: SqliteDatabase.Database,
  { file, secret }: MigrateOptions,
): void {
  const id = connection.pragma('application_id', { simple: true })
  const tables = connection.prepare('SELECT count(*) FROM sqlite_schema').pluck().get()
  if (id === 0 && tables === 0) return
  if (id === APPLICATION_ID) {
    if (secret === undefined || secret === readSecret(connection)) return
    throw new OpenExecError(
      'state_corrupt',
      `Cannot use "${file}": it is not the database that was made in this directory`,
      {
        hint: 'A repository can bring such a file. Remove it if you do not know it, or name another state directory',
      },
    )
  }
  throw new OpenExecError(
    'state_corrupt',
    `Cannot use "${file}": it is not a database of OpenExec`,
    {
      hint: 'Name another state directory, or move the file away',
    },
  )
}

function readSecret(connection: SqliteDatabase.Database): unknown {
  const isTable = connection
    .prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'meta'")
    .get()
  if (isTable === undefined) return undefined
  return connection.prepare(`SELECT value FROM meta WHERE key = '${SECRET_KEY}'`).pluck().get()
}

function pendingOf(
  connection: SqliteDatabase.Database,
  migrations: readonly Migration[],
  file: string,
): Migration[] {
  const applied = readApplied(connection)
  const newest = Math.max(0, ...applied.keys())
  if (newest > migrations.length)
    throw new OpenExecError(
      'state_too_new',
      `Cannot use state database "${file}": it has version ${newest}, this OpenExec knows ${migrations.length}`,
      { hint: 'Update OpenExec, or name another state directory' },
    )
  const changed = migrations.find((known) => {
    const checksum = applied.get(known.version)
    return checksum !== undefined && checksum !== known.checksum
  })
  if (changed !== undefined)
    throw new OpenExecError(
      'state_unusable',
      `Cannot use state database "${file}": migration "${changed.name}" differs from the one that was applied`,
      { hint: 'Install the same OpenExec again, or name another state directory' },
    )
  return migrations.filter(({ version }) => !applied.has(version))
}

function readApplied(connection: SqliteDatabase.Database): Map<number, string> {
  const exists = connection
    .prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'migrations'")
    .get()
  if (exists === undefined) return new Map()
  const rows = connection.prepare('SELECT version, checksum FROM migrations').raw().all()
  return new Map(
    rows.map((row) => (Array.isArray(row) ? [Number(row[0]), String(row[1])] : [0, ''])),
  )
}

function applyMigration(
  connection: SqliteDatabase.Database,
  { version, name, sql, checksum }: Migration,
  { file, secret }: MigrateOptions,
): void {
  if (version === 1) {
    connection.pragma(`application_id = ${APPLICATION_ID}`)
    connection.exec(
      'CREATE TABLE migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL) STRICT',
    )
  }
  connection.exec(sql)
  if (version === 1 && secret !== undefined)
    connection.prepare('INSERT INTO meta (key, value) VALUES (?, ?)').run(SECRET_KEY, secret)
  const broken = connection.pragma('foreign_key_check')
  if (Array.isArray(broken) && broken.length > 0)
    throw new OpenExecError(
      'state_corrupt',
      `Cannot migrate state database "${file}": migration "${name}" leaves ${broken.length} rows without the rows they refer to`,
    )
  connection
    .prepare('INSERT INTO migrations (version, name, checksum) VALUES (?, ?, ?)')
    .run(version, name, checksum)
}
