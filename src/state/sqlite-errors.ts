/** SQLite's failures in our words, by code and never by message text. */
import { OpenExecError } from '../schema/index.ts'

const CORRUPT = /^SQLITE_(CORRUPT|NOTADB)/
const BUSY = /^SQLITE_(BUSY|LOCKED)/
const FULL = /^SQLITE_FULL/
const UNUSABLE = /^SQLITE_(IOERR|READONLY|CANTOPEN|PERM|NOLFS|PROTOCOL)/

/** `state_corrupt` or `state_unusable` where SQLite says so; every other error as it is. */
export function translateSqliteError(error: unknown, file: string): unknown {
  const code = sqliteCode(error)
  if (code === undefined) return error
  if (CORRUPT.test(code))
    return new OpenExecError(
      'state_corrupt',
      `Cannot use state database "${file}": it is damaged`,
      {
        hint: 'Move the file and its -wal and -shm siblings away and restore a copy; without one, OpenExec begins with an empty database',
        details: { sqlite: code },
        cause: error,
      },
    )
  const trouble = troubleOf(code)
  if (trouble === undefined) return error
  return new OpenExecError(
    'state_unusable',
    `Cannot use state database "${file}": ${trouble.what}`,
    {
      hint: trouble.hint,
      details: { sqlite: code },
      cause: error,
    },
  )
}

/** The `SQLITE_…` code of an error or of what caused it. */
export function sqliteCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  if ('code' in error && typeof error.code === 'string' && error.code.startsWith('SQLITE_'))
    return error.code
  return sqliteCode(error.cause)
}

function troubleOf(code: string): { what: string; hint: string } | undefined {
  if (FULL.test(code))
    return { what: 'the disk is full', hint: 'Free some space, for example with `openexec gc`' }
  if (BUSY.test(code))
    return {
      what: 'another process keeps it locked',
      hint: 'Try again; `openexec ps` shows which runs are active',
    }
  if (UNUSABLE.test(code))
    return {
      what: `it cannot be read or written (${code})`,
      hint: 'Check that the state directory exists, belongs to you and is not on a full or read-only disk',
    }
  return undefined
}
