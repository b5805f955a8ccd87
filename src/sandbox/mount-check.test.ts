import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { checkMounts, type MountTrust } from './mount-check.ts'

let base = ''
let root = ''
let objects = ''
const uid = process.getuid?.() ?? 0

beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'mounts-')))
  root = join(base, 'run')
  objects = join(base, 'repository/.git/objects')
  mkdirSync(join(root, 'tree/src'), { recursive: true })
  mkdirSync(objects, { recursive: true })
})
afterEach(() => rmSync(base, { recursive: true }))

const trust = (): MountTrust => ({
  roots: [root],
  readOnlyRoots: [objects],
  owners: [uid],
  engineRoot: '/var/lib/docker',
})
const check = (source: string, target = '/workspace', readOnly = false, given = trust()) =>
  checkMounts([{ source, target, readOnly }], given)

test('checkMounts() passes the directories of the run and the objects read-only', async () => {
  const mounts = [
    { source: join(root, 'tree'), target: '/workspace', readOnly: false },
    { source: objects, target: '/openexec/objects', readOnly: true },
  ]
  expect(await checkMounts(mounts, trust())).toEqual(mounts)
})

test('checkMounts() resolves links above the trusted directory only', async () => {
  symlinkSync(base, join(base, 'link'))
  const roots = [join(base, 'link/run')]
  const [mount] = await check(join(base, 'link/run/tree'), '/workspace', false, {
    ...trust(),
    roots,
  })
  expect(mount?.source).toBe(join(root, 'tree'))
})

test('checkMounts() refuses a link in any component below the trusted directory', async () => {
  mkdirSync(join(base, 'elsewhere/tree'), { recursive: true })
  symlinkSync(join(base, 'elsewhere'), join(root, 'link'))
  symlinkSync('/etc', join(root, 'etc'))
  await expect(check(join(root, 'link/tree'))).rejects.toThrow(
    `"${join(root, 'link')}" is a symbolic link`,
  )
  await expect(check(join(root, 'etc'))).rejects.toThrow('is a symbolic link')
})

test('checkMounts() refuses a source outside of every trusted directory', async () => {
  await expect(check(base)).rejects.toThrow('in no directory of this run')
  await expect(check(`${root}-other`)).rejects.toThrow('in no directory of this run')
  await expect(check('/var/run/docker.sock')).rejects.toThrow('in no directory of this run')
})

test('checkMounts() refuses the objects of the repository writable', async () => {
  await expect(check(objects, '/openexec/objects')).rejects.toThrow('only be mounted read-only')
})

test.each(['/', '/etc', '/proc/self', '/sys', '/dev', '/run', '/var/run', '/var/lib/docker'])(
  'checkMounts() refuses %s even where it is called trusted',
  async (source) => {
    const given = { ...trust(), roots: ['/'] }
    await expect(check(source, '/workspace', true, given)).rejects.toMatchObject({
      code: 'workspace_failed',
    })
  },
)

test('checkMounts() refuses the directory of an engine that lives elsewhere', async () => {
  const given = { ...trust(), engineRoot: join(root, 'engine') }
  mkdirSync(join(root, 'engine/volumes'), { recursive: true })
  await expect(check(join(root, 'engine/volumes'), '/workspace', true, given)).rejects.toThrow(
    'directory of the system',
  )
})

test.each(['relative/path', '/a/../b', '/a//b'])(
  'checkMounts() refuses the source %s',
  async (source) => {
    await expect(check(source)).rejects.toThrow('not a plain absolute path')
  },
)

test.each([
  '/',
  '/etc',
  '/workspace/src',
  '/workspace/',
  '/openexec',
  '/openexec/..',
  '/openexec/a/b',
  '/.openexec',
  '/proc',
])('checkMounts() refuses the target %s', async (target) => {
  await expect(check(join(root, 'tree'), target)).rejects.toThrow('its target is neither')
})

test('checkMounts() refuses two mounts on one target', async () => {
  const mount = { source: join(root, 'tree'), target: '/workspace', readOnly: true }
  await expect(checkMounts([mount, mount], trust())).rejects.toThrow('two directories')
})

test('checkMounts() refuses what belongs to a user who is not of the run', async () => {
  const given = { ...trust(), owners: [] }
  if (uid !== 0)
    await expect(check(join(root, 'tree'), '/workspace', true, given)).rejects.toThrow(
      'belongs to user',
    )
})

test('checkMounts() refuses a directory in which everybody may write', async () => {
  chmodSync(base, 0o777)
  await expect(check(join(root, 'tree'))).rejects.toThrow('everybody may write')
})

test('checkMounts() refuses files with a second name and missing sources', async () => {
  writeFileSync(join(root, 'file'), '')
  linkSync(join(root, 'file'), join(root, 'second'))
  await expect(check(join(root, 'file'))).rejects.toThrow('one name')
  await expect(check(join(root, 'missing'))).rejects.toMatchObject({ code: 'workspace_failed' })
})
