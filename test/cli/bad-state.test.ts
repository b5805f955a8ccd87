/** State directories that cannot be used, each told by name; nothing is tried on them. */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import SqliteDatabase from 'better-sqlite3'
import { expect, test } from 'vitest'
import { errorOf, openexec, testDirectory, testRepository } from '../helpers/cli.ts'

const env = { DOCKER_HOST: 'unix:///nowhere/engine.sock' }
const run = ['run', '--', 'true']

test.each([
  ['a file', (path: string) => writeFileSync(path, ''), /it is no directory|no directory/],
  [
    'a directory others may write in',
    (path: string) => {
      mkdirSync(path)
      chmodSync(path, 0o777)
    },
    /everybody may write in it/,
  ],
  ['a link to nowhere', (path: string) => symlinkSync('/nowhere/at/all', path), /state directory/],
])('run refuses %s as its state directory', async (_what, make, message) => {
  using repository = testRepository()
  using place = testDirectory()
  make(join(place.path, 'state'))
  const args = ['run', '--state', join(place.path, 'state'), '--', 'true']
  const { code, stdout, stderr } = await openexec(args, { cwd: repository.path, env })
  expect({ code, stdout }).toEqual({ code: 125, stdout: '' })
  expect(stderr).toMatch(message)
  expect(stderr).toContain('--state')
})

test.skipIf(!existsSync('/proc/self'))('run says where no directory can be made', async () => {
  using repository = testRepository()
  const args = ['run', '--state', '/proc/openexec/state', '--', 'true']
  const { code, stderr } = await openexec(args, { cwd: repository.path, env })
  expect(code).toBe(125)
  expect(stderr).toMatch(/Cannot write state directory "\/proc\/openexec\/state": /)
})

/** Root may write everywhere, so the program is run as nobody then, who must be able to read it. */
const asRoot = process.getuid?.() === 0
const readable = !asRoot || isOpenToAll(import.meta.dirname)

test.skipIf(!readable)('run says that the repository is not writable', async () => {
  using repository = testRepository()
  chmodSync(repository.path, 0o555)
  const user = asRoot ? { uid: 65_534, gid: 65_534 } : undefined
  const options = { cwd: repository.path, env, ...(user !== undefined && { user }) }
  const { code, stderr } = await openexec(run, options)
  chmodSync(repository.path, 0o755)
  expect(code).toBe(125)
  expect(stderr).toMatch(/Cannot write state directory .*: permission denied/)
})

test('a database of a newer version is refused by every command and left as it is', async () => {
  using repository = testRepository()
  const cwd = repository.path
  await openexec(run, { cwd, env })
  const database = new SqliteDatabase(join(cwd, '.openexec/openexec.db'))
  database.prepare('INSERT INTO migrations VALUES (?, ?, ?)').run(99, '0099_later.sql', '0')
  database.close()
  for (const args of [[...run], ['ps'], ['gc'], ['show', 'run_1']]) {
    const { code, stderr } = await openexec(args, { cwd, env })
    expect(code, args.join(' ')).toBe(125)
    expect(stderr).toMatch(/it has version 99, this OpenExec knows \d+/)
  }
  expect(errorOf(await openexec(['ps', '--json'], { cwd, env }))).toMatchObject({
    code: 'state_too_new',
  })
})

test('a damaged database is refused with what to do', async () => {
  using repository = testRepository()
  const cwd = repository.path
  await openexec(run, { cwd, env })
  for (const suffix of ['-wal', '-shm'])
    rmSync(join(cwd, `.openexec/openexec.db${suffix}`), { force: true })
  writeFileSync(
    join(cwd, '.openexec/openexec.db'),
    'This is no database, and it is long enough to be seen as none.',
  )
  const { code, stderr } = await openexec(['ps'], { cwd, env })
  expect(code).toBe(125)
  expect(stderr).toMatch(/openexec.db": it is damaged[\s\S]*Move the file/)
})

const mount = (path: string) => spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', path])

test('a full disk ends the command with its name', async (context) => {
  using repository = testRepository()
  using place = testDirectory()
  if (mount(place.path).status !== 0) return context.skip('only root may mount a small file system')
  try {
    const args = ['run', '--json', '--state', join(place.path, 'state'), '--', 'true']
    const full = await openexec(args, { cwd: repository.path, env })
    expect(full.code).toBe(125)
    expect(errorOf(full)).toMatchObject({ code: 'state_unusable', message: /disk is full/ })
  } finally {
    spawnSync('umount', ['--lazy', place.path])
  }
})

function isOpenToAll(directory: string): boolean {
  if ((statSync(directory).mode & 0o005) !== 0o005) return false
  return directory === dirname(directory) || isOpenToAll(dirname(directory))
}
