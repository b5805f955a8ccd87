/**
 * What drizzle talks to: the connection, with SQLite's failures in our words. drizzle prepares
 * everything through `prepare()`, so no statement escapes the translation.
 */
import type SqliteDatabase from 'better-sqlite3'
import { translateSqliteError } from './sqlite-errors.ts'

interface GuardedStatement {
  run(...params: unknown[]): SqliteDatabase.RunResult
  get(...params: unknown[]): unknown
  all(...params: unknown[]): unknown[]
  raw(): GuardedStatement
}

export interface GuardedClient {
  prepare(sql: string): GuardedStatement
}

export function guardClient(connection: SqliteDatabase.Database, file: string): GuardedClient {
  const guard = <T>(work: () => T): T => {
    try {
      return work()
    } catch (error) {
      throw translateSqliteError(error, file)
    }
  }
  const guardStatement = (statement: SqliteDatabase.Statement): GuardedStatement => {
    const guarded: GuardedStatement = {
      run: (...params) => guard(() => statement.run(...params)),
      get: (...params) => guard(() => statement.get(...params)),
      all: (...params) => guard(() => statement.all(...params)),
      raw: () => {
        statement.raw()
        return guarded
      },
    }
    return guarded
  }
  return { prepare: (sql) => guardStatement(guard(() => connection.prepare(sql))) }
}
