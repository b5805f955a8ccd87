import SqliteDatabase from 'better-sqlite3'
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openTestDir, openTestState, seedRun, testRun } from '../../test/helpers/state.ts'
import { type OpenExecError } from '../schema/index.ts'
import { openState } from './database.ts'
import { getRun, updateRun } from './runs.ts'

const SHIPPED = new URL('../../migrations/', import.meta.url).pathname

function failure(work: () => unknown): OpenExecError {
  try {
    work()
  } catch (error) {
    // Only failures told to people are expected here; the assertions read the code.
    return error as OpenExecError
  }
  throw new Error('Expected a failure')
}

test('openState() makes a private directory and a private file', () => {
  using dir = openTestDir()
  const file = join(dir.path, 'state', 'openexec.db')
  using state = openState({ file })
  seedRun(state)
  expect(statSync(join(dir.path, 'state')).mode & 0o777).toBe(0o700)
  const modes = readdirSync(join(dir.path, 'state')).map(
    (name) => statSync(join(dir.path, 'state', name)).mode & 0o777,
  )
  // The database with its two siblings, and the mark of the directory.
  expect(modes.sort((a, b) => a - b)).toEqual([0o400, 0o600, 0o600, 0o600])
})

test('openState() closes a file that others could read', () => {
  using dir = openTestDir()
  const file = join(dir.path, 'openexec.db')
  openState({ file })[Symbol.dispose]()
  chmodSync(file, 0o644)
  using _ = openState({ file })
  expect(statSync(file).mode & 0o777).toBe(0o600)
})

test('openState() keeps what was written before', () => {
  using dir = openTestDir()
  const file = join(dir.path, 'openexec.db')
  {
    using state = openState({ file })
    seedRun(state)
  }
  using state = openState({ file })
  expect(getRun(state.db, testRun().id)).toEqual(testRun())
  expect(state.checkIntegrity()).toBe('ok')
})

test('openState() refuses a database of a newer version and says which', () => {
  using dir = openTestDir()
  const file = join(dir.path, 'openexec.db')
  openState({ file })[Symbol.dispose]()
  const raw = new SqliteDatabase(file)
  raw.prepare('INSERT INTO migrations VALUES (99, ?, ?)').run('0099_future.sql', 'x')
  raw.close()
  const error = failure(() => openState({ file }))
  expect(error.code).toBe('state_too_new')
  expect(error.message).toContain('version 99')
  expect(error.hint).toContain('Update OpenExec')
})

test('openState() refuses a migration that changed after it was applied', () => {
  using dir = openTestDir()
  const file = join(dir.path, 'openexec.db')
  const migrationsDir = join(dir.path, 'migrations')
  mkdirSync(migrationsDir)
  copyFileSync(join(SHIPPED, '0001_init.sql'), join(migrationsDir, '0001_init.sql'))
  openState({ file, migrationsDir })[Symbol.dispose]()
  writeFileSync(join(migrationsDir, '0001_init.sql'), '-- other\n')
  const error = failure(() => openState({ file, migrationsDir }))
  expect(error.code).toBe('state_unusable')
  expect(error.message).toContain('0001_init.sql')
})

test('openState() applies a new migration to an old database, whole or not at all', () => {
  using dir = openTestDir()
  const file = join(dir.path, 'openexec.db')
  const migrationsDir = join(dir.path, 'migrations')
  mkdirSync(migrationsDir)
  const shipped = readdirSync(SHIPPED)
  for (const name of shipped) copyFileSync(join(SHIPPED, name), join(migrationsDir, name))
  {
    using state = openState({ file, migrationsDir })
    seedRun(state)
  }
  const last = Number(shipped.sort().at(-1)?.slice(0, 4))
  const next = join(migrationsDir, `${String(last + 1).padStart(4, '0')}_next.sql`)
  writeFileSync(next, 'CREATE TABLE extra (a INTEGER) STRICT; INSERT INTO nowhere VALUES (1);')
  expect(() => openState({ file, migrationsDir })).toThrow('nowhere')
  writeFileSync(next, 'CREATE TABLE extra (a INTEGER) STRICT;')
  using state = openState({ file, migrationsDir })
  expect(getRun(state.db, testRun().id)).toEqual(testRun())
})

test('openState() refuses a damaged file', () => {
  using dir = openTestDir()
  const file = join(dir.path, 'openexec.db')
  openState({ file })[Symbol.dispose]()
  writeFileSync(
    file,
    'This is not a database, and it is longer than a header of SQLite is. '.repeat(20),
  )
  const error = failure(() => openState({ file }))
  expect(error.code).toBe('state_corrupt')
  expect(error.hint).toContain('Move the file')
})

test('openState() refuses the database of another program', () => {
  using dir = openTestDir()
  const file = join(dir.path, 'other.db')
  const raw = new SqliteDatabase(file)
  raw.exec('CREATE TABLE theirs (a)')
  raw.close()
  const error = failure(() => openState({ file }))
  expect(error.code).toBe('state_corrupt')
  expect(error.message).toContain('not a database of OpenExec')
})

test('openState() refuses a database that is a link', () => {
  using dir = openTestDir()
  const file = join(dir.path, 'openexec.db')
  writeFileSync(join(dir.path, 'elsewhere'), '')
  symlinkSync(join(dir.path, 'elsewhere'), file)
  const error = failure(() => openState({ file }))
  expect(error.code).toBe('state_unusable')
  expect(error.message).toContain('not a plain file')
})

test('openState() says so when the directory cannot be made', () => {
  using dir = openTestDir()
  writeFileSync(join(dir.path, 'file'), '')
  const error = failure(() => openState({ file: join(dir.path, 'file', 'openexec.db') }))
  expect(error.code).toBe('state_unusable')
  expect(error.cause).toBeInstanceOf(Error)
})

test('openState() with readonly reads, and refuses writes', () => {
  using dir = openTestDir()
  const file = join(dir.path, 'openexec.db')
  using writer = openState({ file })
  const { id } = seedRun(writer)
  using reader = openState({ file, readonly: true })
  expect(getRun(reader.db, id).id).toBe(id)
  expect(failure(() => updateRun(reader.db, id, { detail: 'x' })).code).toBe('state_unusable')
})

test('openState() with readonly makes nothing', () => {
  using dir = openTestDir()
  const file = join(dir.path, 'openexec.db')
  expect(failure(() => openState({ file, readonly: true })).code).toBe('state_unusable')
  expect(readdirSync(dir.path)).toEqual([])
})

test('transact() keeps nothing when the work throws', () => {
  using state = openTestState()
  const { id } = seedRun(state)
  expect(() =>
    state.transact((tx) => {
      updateRun(tx, id, { detail: 'half' })
      throw new Error('Power cut')
    }),
  ).toThrow('Power cut')
  expect(getRun(state.db, id).detail).toBeUndefined()
})

test('transact() refuses async work and keeps nothing of it', () => {
  using state = openTestState()
  const { id } = seedRun(state)
  expect(() =>
    state.transact(async (tx) => {
      updateRun(tx, id, { detail: 'half' })
    }),
  ).toThrow(/promise/i)
  expect(getRun(state.db, id).detail).toBeUndefined()
})

test('transact() within transact() fails on its own', () => {
  using state = openTestState()
  const { id } = seedRun(state)
  const told: string[] = []
  state.transact((tx) => {
    updateRun(tx, id, { detail: 'outer' })
    state.afterCommit(() => told.push('outer'))
    expect(() =>
      state.transact(() => {
        updateRun(tx, id, { detail: 'inner' })
        state.afterCommit(() => told.push('inner'))
        throw new Error('Inner')
      }),
    ).toThrow('Inner')
    expect(told).toEqual([])
  })
  expect(getRun(state.db, id).detail).toBe('outer')
  expect(told).toEqual(['outer'])
})

test('afterCommit() tells nothing of what was rolled back', () => {
  using state = openTestState()
  const told: string[] = []
  expect(() =>
    state.transact(() => {
      state.afterCommit(() => told.push('never'))
      throw new Error('Power cut')
    }),
  ).toThrow('Power cut')
  state.transact(() => state.afterCommit(() => told.push('committed')))
  expect(told).toEqual(['committed'])
})

test('dataVersion() changes when another connection commits, and only then', () => {
  using dir = openTestDir()
  const file = join(dir.path, 'openexec.db')
  using mine = openState({ file })
  using other = openState({ file })
  const before = mine.dataVersion()
  expect(mine.dataVersion()).toBe(before)
  seedRun(other)
  expect(mine.dataVersion()).not.toBe(before)
})

test('a full database is a typed failure, and reads go on', () => {
  using dir = openTestDir()
  const file = join(dir.path, 'openexec.db')
  using state = openState({ file })
  const { id } = seedRun(state)
  // The limit belongs to the connection, so it is reached through the one that writes.
  limitPages(state, 160)
  const error = failure(() => updateRun(state.db, id, { detail: 'x'.repeat(1_000_000) }))
  expect(error.code).toBe('state_unusable')
  expect(error.message).toContain('disk is full')
  expect(getRun(state.db, id).id).toBe(id)
})

function limitPages(state: ReturnType<typeof openState>, pages: number): void {
  // The driver lies behind drizzle's session; a test may look there.
  const { session } = state.db as unknown as {
    session: { client: { prepare(sql: string): { get(): unknown } } }
  }
  session.client.prepare(`PRAGMA max_page_count = ${pages}`).get()
}
