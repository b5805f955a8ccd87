import SqliteDatabase from 'better-sqlite3'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openTestDir, seedRun, testRun } from '../../test/helpers/state.ts'
import type { OpenExecError } from '../schema/index.ts'
import { openState } from './database.ts'
import { getRun } from './runs.ts'
import { claimStateDirectory } from './state-directory.ts'

function failure(work: () => unknown): OpenExecError {
  try {
    work()
  } catch (error) {
    // Only failures told to people are expected here; the assertions read the code.
    return error as OpenExecError
  }
  throw new Error('Expected a failure')
}

/** A state directory with a run in it, closed. */
function makeState(directory: string): string {
  const file = join(directory, 'openexec.db')
  const state = openState({ file })
  seedRun(state)
  state[Symbol.dispose]()
  return file
}

test('claimStateDirectory() gives the same secret each time, and another one elsewhere', () => {
  using one = openTestDir()
  using two = openTestDir()
  const secret = claimStateDirectory(one.path, { create: true })
  expect(secret).toMatch(/^[0-9a-f]{32}$/)
  expect(claimStateDirectory(one.path, { create: true })).toBe(secret)
  expect(claimStateDirectory(one.path, { create: false })).toBe(secret)
  expect(claimStateDirectory(two.path, { create: true })).not.toBe(secret)
  expect(readdirSync(one.path)).toEqual(['openexec-state'])
})

test('claimStateDirectory() with create: false makes nothing', () => {
  using dir = openTestDir()
  expect(claimStateDirectory(dir.path, { create: false })).toBeUndefined()
  expect(readdirSync(dir.path)).toEqual([])
})

test('openState() opens a copy of a whole state directory', () => {
  using dir = openTestDir()
  makeState(join(dir.path, 'state'))
  cpSync(join(dir.path, 'state'), join(dir.path, 'copy'), { recursive: true })
  using state = openState({ file: join(dir.path, 'copy/openexec.db') })
  expect(getRun(state.db, testRun().id).id).toBe(testRun().id)
})

test('openState() begins anew where the database was moved away', () => {
  using dir = openTestDir()
  rmSync(makeState(dir.path))
  using state = openState({ file: join(dir.path, 'openexec.db') })
  expect(() => getRun(state.db, testRun().id)).toThrow('Cannot find run')
})

test('openState() refuses a state directory that came with a repository', () => {
  using dir = openTestDir()
  const [origin, clone] = [join(dir.path, 'origin'), join(dir.path, 'clone')]
  mkdirSync(origin)
  makeState(join(origin, '.openexec'))
  checkIn(origin)
  git(dir.path, 'clone', '--quiet', origin, clone)
  // All of it arrives, the mark included, but git writes no file its owner may not write.
  expect(existsSync(join(clone, '.openexec/openexec-state'))).toBe(true)
  const error = failure(() => openState({ file: join(clone, '.openexec/openexec.db') }))
  expect(error.code).toBe('state_unusable')
  expect(error.message).toContain('OpenExec did not make it')
})

test.each(['openexec.db', 'git', 'work', 'runs', 'blobs', 'openexec.db-journal'])(
  'openState() refuses a directory that holds "%s" and no mark',
  (name) => {
    using dir = openTestDir()
    mkdirSync(join(dir.path, name))
    if (name.startsWith('openexec.db')) {
      rmSync(join(dir.path, name), { recursive: true })
      writeFileSync(join(dir.path, name), '')
    }
    const error = failure(() => openState({ file: join(dir.path, 'openexec.db') }))
    expect(error.code).toBe('state_unusable')
    expect(readdirSync(dir.path)).toEqual([name])
  },
)

test('openState() refuses a database that was put in place of its own', () => {
  using dir = openTestDir()
  const file = makeState(join(dir.path, 'mine'))
  const theirs = makeState(join(dir.path, 'theirs'))
  const raw = new SqliteDatabase(theirs)
  raw.exec(`CREATE TRIGGER evil AFTER INSERT ON sessions BEGIN DELETE FROM runs; END`)
  raw.close()
  copyFileSync(theirs, file)
  const error = failure(() => openState({ file }))
  expect(error.code).toBe('state_corrupt')
  expect(error.message).toContain('not the database that was made in this directory')
})

test.each(['git', 'work', 'runs', 'blobs'])('openState() refuses "%s" as a link', (name) => {
  using dir = openTestDir()
  const file = makeState(join(dir.path, 'state'))
  mkdirSync(join(dir.path, 'elsewhere'))
  symlinkSync(join(dir.path, 'elsewhere'), join(dir.path, 'state', name))
  const error = failure(() => openState({ file }))
  expect(error.code).toBe('state_unusable')
  expect(error.message).toContain(`"${name}" was put there`)
})

test('openState() refuses a journal that others may read, since SQLite never makes one', () => {
  using dir = openTestDir()
  const file = makeState(dir.path)
  writeFileSync(`${file}-journal`, 'hot')
  chmodSync(`${file}-journal`, 0o644)
  expect(failure(() => openState({ file })).message).toContain('"openexec.db-journal" was put')
  expect(readFileSync(`${file}-journal`, 'utf8')).toBe('hot')
})

function checkIn(repository: string): void {
  const identity = [
    '-c',
    'user.name=a',
    '-c',
    'user.email=a@localhost',
    '-c',
    'commit.gpgsign=false',
  ]
  git(repository, 'init', '--quiet')
  git(repository, 'add', '--all', '--force')
  git(repository, ...identity, 'commit', '--quiet', '--message=All')
}

function git(cwd: string, ...args: string[]): void {
  execFileSync('git', args, { cwd, stdio: 'pipe' })
}
