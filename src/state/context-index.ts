/**
 * The index behind context packs: which blob holds which search terms. It lies in a file of its own
 * beside the state database, because all of it can be made again from the blobs: it is not durable,
 * it is dropped when it is damaged, was made by another version or has grown too large, and it never
 * fails its user.
 *
 * One row is one blob, whatever trees it is in, so a new commit costs only what it changed. FTS5 keeps
 * for each term the columns it stands in (`detail=column`), and the first columns are frequencies: a
 * term stands in the column that says how often. So a look-up reads one short list per term, and
 * whoever ranks can count over the files of one tree, which the module's own `bm25()` cannot.
 */
import { lstatSync, rmSync } from 'node:fs'
import SqliteDatabase from 'better-sqlite3'
import { prepareStateFile } from './state-file.ts'

export interface IndexedBlob {
  id: number
  /** Words of the text; -1 for what is no text. */
  length: number
  /** Words of the names it defines. */
  namesLength: number
}

export interface BlobTerms {
  oid: string
  length: number
  namesLength: number
  /** For each column its terms, blanks between them. */
  columns: readonly string[]
}

export interface ContextIndex {
  /** Those of the blobs that are known. */
  find(oids: readonly string[]): Map<string, IndexedBlob>
  /** Adds blobs in one transaction; one that is there already stays as it is. */
  add(blobs: readonly BlobTerms[]): void
  /** Blob and column of every place the term stands in; columns count from 0. */
  postings(term: string): { blob: number; column: number }[]
  getNote(key: string): string | undefined
  putNote(key: string, value: string): void
  [Symbol.dispose](): void
}

/** Columns of a blob's terms, in the order of `BlobTerms.columns`. */
export const CONTEXT_COLUMNS = 8

const FORMAT = 1
const APPLICATION_ID = 0x4f457878
const BUSY_TIMEOUT_MS = 2000
/** Blobs after which the index is begun anew: bounds the file at a few hundred megabytes. */
const BLOBS_MAX = 200_000
const NOTES_MAX = 2000

const COLUMNS = Array.from({ length: CONTEXT_COLUMNS }, (_, at) => `c${at}`)

/** `file` is a path or `:memory:`. What cannot be opened is made anew, and else kept in memory. */
export function openContextIndex(file: string): ContextIndex {
  if (file === ':memory:') return createIndex(prepareConnection(file, ''))
  for (const anew of [isForeign(file), true]) {
    try {
      if (anew) removeIndex(file)
      const secret = prepareStateFile(file, { create: true }) ?? ''
      return createIndex(prepareConnection(file, secret))
    } catch {
      // An index that cannot be used is worth nothing; the next attempt goes without it.
    }
  }
  return createIndex(prepareConnection(':memory:', ''))
}

/** The file and what SQLite puts beside it. */
const SUFFIXES = ['', '-wal', '-shm', '-journal']

/** A repository could bring a link that leads elsewhere. */
function isForeign(file: string): boolean {
  return SUFFIXES.some((suffix) => {
    const stat = lstatSync(`${file}${suffix}`, { throwIfNoEntry: false })
    return stat !== undefined && !stat.isFile()
  })
}

function removeIndex(file: string): void {
  for (const suffix of SUFFIXES) rmSync(`${file}${suffix}`, { force: true })
}

function prepareConnection(file: string, secret: string): SqliteDatabase.Database {
  const connection = new SqliteDatabase(file, { timeout: BUSY_TIMEOUT_MS })
  try {
    connection.pragma('trusted_schema = OFF')
    connection.pragma('cell_size_check = ON')
    connection.pragma('journal_mode = WAL')
    // A crash may cost the index; it costs nothing else.
    connection.pragma('synchronous = OFF')
    connection.transaction(() => prepareSchema(connection, secret)).immediate()
    connection.exec(
      "CREATE VIRTUAL TABLE temp.instances USING fts5vocab('main', 'terms', 'instance')",
    )
    return connection
  } catch (error) {
    connection.close()
    throw error
  }
}

/** Throws for a file of another make, which is then made anew. */
function prepareSchema(connection: SqliteDatabase.Database, secret: string): void {
  const tables = connection.prepare('SELECT count(*) FROM sqlite_schema').pluck().get()
  if (tables !== 0) {
    const known = connection.prepare("SELECT value FROM notes WHERE key = 'directory'").pluck()
    const full = connection.prepare('SELECT max(id) FROM blobs').pluck().get()
    if (connection.pragma('application_id', { simple: true }) !== APPLICATION_ID)
      throw new Error('Cannot use the index: it is not one')
    if (connection.pragma('user_version', { simple: true }) !== FORMAT || known.get() !== secret)
      throw new Error('Cannot use the index: it is of another make')
    if (Number(full ?? 0) > BLOBS_MAX) throw new Error('Cannot use the index: it is full')
    return
  }
  connection.pragma(`application_id = ${APPLICATION_ID}`)
  connection.pragma(`user_version = ${FORMAT}`)
  connection.exec(`
    CREATE TABLE blobs (
      id INTEGER PRIMARY KEY, oid TEXT NOT NULL UNIQUE,
      length INTEGER NOT NULL, names_length INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE notes (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE VIRTUAL TABLE terms USING fts5(${COLUMNS.join(', ')}, content='', detail=column,
      columnsize=0, tokenize="ascii tokenchars '_$'");`)
  connection.prepare("INSERT INTO notes (key, value) VALUES ('directory', ?)").run(secret)
}

function createIndex(connection: SqliteDatabase.Database): ContextIndex {
  const blob = connection.prepare('SELECT id, length, names_length FROM blobs WHERE oid = ?').raw()
  const insertBlob = connection.prepare(
    'INSERT INTO blobs (oid, length, names_length) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
  )
  const insertTerms = connection.prepare(
    `INSERT INTO terms (rowid, ${COLUMNS.join(', ')}) VALUES (?${', ?'.repeat(CONTEXT_COLUMNS)})`,
  )
  const instances = connection.prepare('SELECT doc, col FROM instances WHERE term = ?').raw()
  const getNote = connection.prepare('SELECT value FROM notes WHERE key = ?').pluck()
  const putNote = connection.prepare('INSERT OR REPLACE INTO notes (key, value) VALUES (?, ?)')
  const countNotes = connection.prepare('SELECT count(*) FROM notes').pluck()
  const dropNotes = connection.prepare("DELETE FROM notes WHERE key <> 'directory'")
  return {
    find(oids) {
      const found = new Map<string, IndexedBlob>()
      for (const oid of oids) {
        const row = blob.get(oid)
        if (!Array.isArray(row)) continue
        const [id, length, namesLength] = row.map(Number)
        if (id !== undefined && length !== undefined && namesLength !== undefined)
          found.set(oid, { id, length, namesLength })
      }
      return found
    },
    add: connection.transaction((blobs: readonly BlobTerms[]) => {
      for (const { oid, length, namesLength, columns } of blobs) {
        const { changes, lastInsertRowid } = insertBlob.run(oid, length, namesLength)
        if (changes > 0 && length > 0) insertTerms.run(lastInsertRowid, ...columns)
      }
    }).immediate,
    postings: (term) =>
      instances.all(term).map((row) => {
        const [doc, column] = Array.isArray(row) ? row : []
        return { blob: Number(doc), column: Number(String(column).slice(1)) }
      }),
    getNote: (key) => {
      const value = getNote.get(key)
      return typeof value === 'string' ? value : undefined
    },
    putNote: (key, value) => {
      if (Number(countNotes.get()) > NOTES_MAX) dropNotes.run()
      putNote.run(key, value)
    },
    [Symbol.dispose]: () => connection.close(),
  }
}
