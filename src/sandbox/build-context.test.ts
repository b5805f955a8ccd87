import { chmodSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { expect, onTestFinished, test } from 'vitest'
import { extract } from 'tar-stream'
import { contentHash, packContext } from './build-context.ts'

function folderOf(files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'build-context-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
  return folder
}

function hashOf(folder: string) {
  return contentHash({ folders: [folder], settings: {}, parent: 'p' })
}

test('contentHash() is the same for the same content, whatever the times', async () => {
  const [one, two] = [folderOf({ 'a/b': '1', c: '2' }), folderOf({ c: '2', 'a/b': '1' })]
  utimesSync(join(two, 'c'), new Date(0), new Date(0))
  expect(await hashOf(one)).toBe(await hashOf(two))
})

test('contentHash() changes with bytes, names, the executable bit, settings and the parent', async () => {
  const program = folderOf({ a: '1' })
  chmodSync(join(program, 'a'), 0o755)
  const plain = folderOf({ a: '1' })
  const hashes = await Promise.all([
    hashOf(plain),
    hashOf(folderOf({ a: '2' })),
    hashOf(folderOf({ b: '1' })),
    hashOf(program),
    contentHash({ folders: [plain], settings: { X: '1' }, parent: 'p' }),
    contentHash({ folders: [plain], settings: {}, parent: 'q' }),
  ])
  expect(new Set(hashes).size).toBe(hashes.length)
})

test('contentHash() leaves out what npm installed', async () => {
  const installed = folderOf({ a: '1', 'node_modules/x/index.js': '' })
  expect(await hashOf(installed)).toBe(await hashOf(folderOf({ a: '1' })))
})

test('packContext() lays folders over one another, owned by root and readable by all', async () => {
  const image = folderOf({ Dockerfile: 'FROM scratch', 'node_modules/stale': '', 'c/.keep': '' })
  const fetched = folderOf({ 'node_modules/fresh': '', 'c/x.crt': '' })
  chmodSync(join(fetched, 'c/x.crt'), 0o600)
  const entries = new Map<string, { mode: number | undefined; uid: number | undefined }>()
  const reader = extract()
  reader.on('entry', ({ name, mode, uid, type }, stream, next) => {
    if (type === 'file') entries.set(name, { mode, uid })
    stream.on('end', next).resume()
  })
  await pipeline(packContext([image, fetched]), reader)
  expect([...entries.keys()].toSorted()).toEqual([
    'Dockerfile',
    'c/.keep',
    'c/x.crt',
    'node_modules/fresh',
  ])
  expect(entries.get('c/x.crt')).toEqual({ mode: 0o644, uid: 0 })
})
