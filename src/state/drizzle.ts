/**
 * drizzle, loaded as CommonJS: its several hundred small modules cost 0.75 s of processor time to
 * link as ES modules and 0.13 s this way, and every command of the command line pays for it.
 */
import { createRequire } from 'node:module'
import type * as Orm from 'drizzle-orm'
import type * as Driver from 'drizzle-orm/better-sqlite3'
import type * as Core from 'drizzle-orm/sqlite-core'

const load = createRequire(import.meta.url)

// The package ships the same code in both forms, with the same types.
export const {
  and,
  asc,
  count,
  desc,
  eq,
  gt,
  gte,
  inArray,
  isNotNull,
  isNull,
  lt,
  lte,
  notExists,
  notInArray,
  sql,
} = load('drizzle-orm') as typeof Orm
export const { drizzle } = load('drizzle-orm/better-sqlite3') as typeof Driver
export const { integer, sqliteTable, text } = load('drizzle-orm/sqlite-core') as typeof Core

export type { BetterSQLite3Database } from 'drizzle-orm/better-sqlite3'
