import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  countingClock,
  countingIds,
  openTestDir,
  openTestState,
  seedRun,
  testRun,
} from '../../test/helpers/state.ts'
import type { State } from '../state/index.ts'
import { createArtifacts } from './artifacts.ts'
import { blobPath } from './blobs.ts'
import {
  createRunDirectory,
  removeRunDirectory,
  runDirectory,
  writeRunDocument,
} from './run-directory.ts'
import { safeName } from './safe-name.ts'

const runId = testRun().id
const text = (value: string) => Buffer.from(value)
const draft = { runId, name: 'report', type: 'report', mediaType: 'text/plain' } as const

function openArtifacts(state: State, root: string, warnings: string[] = []) {
  const log = { info: () => {}, warn: (message: string) => void warnings.push(message) }
  return createArtifacts({ state, root, now: countingClock(), newId: countingIds(), log })
}

function blobFiles(root: string): string[] {
  if (!existsSync(join(root, 'blobs'))) return []
  return readdirSync(join(root, 'blobs'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    statSync(join(root, 'blobs', name)).isFile(),
  )
}

test('save() stores content once, private, under its sha256', async () => {
  using state = openTestState()
  using dir = openTestDir()
  seedRun(state)
  const artifacts = openArtifacts(state, dir.path)
  const first = await artifacts.save({ ...draft, content: text('hello') })
  const second = await artifacts.save({ ...draft, name: 'other', content: text('hello') })
  const sha256 = createHash('sha256').update('hello').digest('hex')
  expect(first).toMatchObject({ sha256, size: 5, name: 'report' })
  expect(second.sha256).toBe(sha256)
  expect(blobFiles(dir.path)).toEqual([`${sha256.slice(0, 2)}/${sha256.slice(2)}`])
  expect(statSync(blobPath(join(dir.path, 'blobs'), sha256)).mode & 0o777).toBe(0o400)
  expect(artifacts.list(runId)).toEqual([first, second])
  expect(artifacts.find(runId, 'other')).toEqual(second)
})

test('put() takes a file, and refuses one that is a link', async () => {
  using state = openTestState()
  using dir = openTestDir()
  const artifacts = openArtifacts(state, dir.path)
  const content = Buffer.alloc(3_000_000, 'x')
  writeFileSync(join(dir.path, 'big'), content)
  symlinkSync(join(dir.path, 'big'), join(dir.path, 'link'))
  const sha256 = createHash('sha256').update(content).digest('hex')
  expect(await artifacts.put({ file: join(dir.path, 'big') })).toEqual({ sha256, size: 3_000_000 })
  await expect(artifacts.put({ file: join(dir.path, 'link') })).rejects.toMatchObject({
    code: 'state_unusable',
  })
  expect(blobFiles(dir.path)).toHaveLength(1)
})

test('record() goes with its transaction, and names nothing that is not stored', async () => {
  using state = openTestState()
  using dir = openTestDir()
  seedRun(state)
  const artifacts = openArtifacts(state, dir.path)
  const blob = await artifacts.put(text('hello'))
  expect(() =>
    state.transact((tx) => {
      artifacts.record(tx, { ...draft, blob })
      throw new Error('Power cut')
    }),
  ).toThrow('Power cut')
  expect(artifacts.list(runId)).toEqual([])
  expect(existsSync(runDirectory(dir.path, runId).artifacts)).toBe(false)
  const absent = { sha256: 'a'.repeat(64), size: 5 }
  expect(() => state.transact((tx) => artifacts.record(tx, { ...draft, blob: absent }))).toThrow(
    'its content is not stored',
  )
})

test('read() and open() give the content back', async () => {
  using state = openTestState()
  using dir = openTestDir()
  seedRun(state)
  const artifacts = openArtifacts(state, dir.path)
  const content = Buffer.alloc(2_500_000, 'abc')
  const { id } = await artifacts.save({ ...draft, content })
  expect(content.equals(await artifacts.read(id, { maxBytes: 2_500_000 }))).toBe(true)
  let size = 0
  for await (const chunk of artifacts.open(id)) size += chunk.length
  expect(size).toBe(2_500_000)
  await expect(artifacts.read(id, { maxBytes: 2_499_999 })).rejects.toMatchObject({
    code: 'bad_request',
  })
})

test.each([
  ['was changed', (path: string) => writeFileSync(path, 'hellO')],
  ['grew', (path: string) => writeFileSync(path, 'hello, world')],
  ['shrank', (path: string) => writeFileSync(path, 'hell')],
])('read() refuses content that %s', async (_, damage) => {
  using state = openTestState()
  using dir = openTestDir()
  seedRun(state)
  const artifacts = openArtifacts(state, dir.path)
  const { id, sha256 } = await artifacts.save({ ...draft, content: text('hello') })
  const path = blobPath(join(dir.path, 'blobs'), sha256)
  chmodSync(path, 0o600)
  damage(path)
  await expect(artifacts.read(id, { maxBytes: 100 })).rejects.toMatchObject({
    code: 'state_corrupt',
    message: expect.stringContaining(sha256),
  })
})

test('storing content again mends a blob that was cut short', async () => {
  using state = openTestState()
  using dir = openTestDir()
  seedRun(state)
  const artifacts = openArtifacts(state, dir.path)
  const { id, sha256 } = await artifacts.save({ ...draft, content: text('hello') })
  const path = blobPath(join(dir.path, 'blobs'), sha256)
  chmodSync(path, 0o600)
  writeFileSync(path, 'hel')
  await artifacts.put(text('hello'))
  expect(Buffer.from(await artifacts.read(id, { maxBytes: 9 })).toString()).toBe('hello')
})

test('an artifact is shown in the directory of its run, under a name that is safe', async () => {
  using state = openTestState()
  using dir = openTestDir()
  seedRun(state)
  const artifacts = openArtifacts(state, dir.path)
  for (const name of ['report', 'report', '../../etc/passwd', '.hidden\n\u001b[2J'])
    await artifacts.save({ ...draft, name, content: text(name) })
  const shown = runDirectory(dir.path, runId).artifacts
  expect(readdirSync(shown).sort()).toEqual([
    'etc_passwd.txt',
    'hidden_2J.txt',
    'report-2.txt',
    'report.txt',
  ])
  expect(readFileSync(join(shown, 'report-2.txt'), 'utf8')).toBe('report')
})

test('an artifact that cannot be shown is warned of and kept', async () => {
  using state = openTestState()
  using dir = openTestDir()
  seedRun(state)
  writeFileSync(join(dir.path, 'runs'), 'in the way')
  const warnings: string[] = []
  const artifacts = openArtifacts(state, dir.path, warnings)
  const { id } = await artifacts.save({ ...draft, content: text('hello') })
  expect(warnings).toHaveLength(1)
  expect(Buffer.from(await artifacts.read(id, { maxBytes: 9 })).toString()).toBe('hello')
})

test('put() says so when nothing can be stored', async () => {
  using state = openTestState()
  using dir = openTestDir()
  writeFileSync(join(dir.path, 'blobs'), 'in the way')
  const artifacts = openArtifacts(state, dir.path)
  await expect(artifacts.put(text('x'))).rejects.toMatchObject({
    code: 'state_unusable',
    hint: expect.stringContaining('state directory'),
  })
})

test('exportTo() writes a new file and never replaces one', async () => {
  using state = openTestState()
  using dir = openTestDir()
  seedRun(state)
  const artifacts = openArtifacts(state, dir.path)
  const { id } = await artifacts.save({ ...draft, content: text('hello') })
  const target = join(dir.path, 'out.txt')
  await artifacts.exportTo(id, target)
  expect(readFileSync(target, 'utf8')).toBe('hello')
  writeFileSync(target, 'mine')
  await expect(artifacts.exportTo(id, target)).rejects.toMatchObject({ code: 'conflict' })
  expect(readFileSync(target, 'utf8')).toBe('mine')
  const nowhere = join(dir.path, 'no', 'such', 'out.txt')
  await expect(artifacts.exportTo(id, nowhere)).rejects.toMatchObject({ code: 'bad_request' })
  expect(readdirSync(dir.path).sort()).toEqual(['blobs', 'out.txt', 'runs'])
})

test('collect() removes old content that nobody names, and nothing else', async () => {
  using state = openTestState()
  using dir = openTestDir()
  seedRun(state)
  const artifacts = openArtifacts(state, dir.path)
  const kept = await artifacts.save({ ...draft, content: text('named') })
  const old = await artifacts.put(text('old and unnamed'))
  const young = await artifacts.put(text('young and unnamed'))
  const blobsDir = join(dir.path, 'blobs')
  for (const { sha256 } of [kept, old]) utimesSync(blobPath(blobsDir, sha256), 1, 1)
  writeFileSync(join(blobsDir, 'incoming', '1-1'), 'left by a dead process')
  utimesSync(join(blobsDir, 'incoming', '1-1'), 1, 1)
  expect(artifacts.collect({ before: 100_000 })).toEqual({ blobs: 2, freed: 15 + 22 })
  expect(blobFiles(dir.path)).toHaveLength(2)
  expect(existsSync(blobPath(blobsDir, young.sha256))).toBe(true)
  await artifacts.put(text('named'))
  expect(statSync(blobPath(blobsDir, kept.sha256)).mtimeMs).toBeGreaterThan(100_000)
})

test('writeRunDocument() writes whole and private; removeRunDirectory() leaves nothing', async () => {
  using dir = openTestDir()
  const directory = createRunDirectory(dir.path, runId)
  await writeRunDocument(directory, 'policy_snapshot.json', { rules: [] })
  const path = join(directory.path, 'policy_snapshot.json')
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ rules: [] })
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(readdirSync(directory.path).sort()).toEqual([
    'artifacts',
    'output',
    'policy_snapshot.json',
  ])
  await removeRunDirectory(dir.path, runId)
  await removeRunDirectory(dir.path, runId)
  expect(readdirSync(join(dir.path, 'runs'))).toEqual([])
  mkdirSync(join(dir.path, 'other'))
  writeFileSync(join(dir.path, 'other', 'runs'), '')
  expect(() => createRunDirectory(join(dir.path, 'other'), runId)).toThrow(
    'Cannot make the directory',
  )
})

test.each([
  ['patch', 'text/x-diff', 'patch.diff'],
  ['report.xml', 'application/json', 'report.xml'],
  ['', 'text/plain', 'artifact.txt'],
  ['../..', '', 'artifact'],
  ['-rf', '', 'rf'],
  ['x'.repeat(300), '', 'x'.repeat(80)],
])('safeName() makes a plain file name of "%s"', (name, mediaType, expected) => {
  expect(safeName(name, mediaType)).toBe(expected)
})
