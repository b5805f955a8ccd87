import { expect, test } from 'vitest'
import { decodeIndex, encodeIndex, type IndexEntry } from './git-index.ts'
import { SeedIndex } from './seed-index.ts'

const oid = 'a'.repeat(40)
const stat = { ctimeS: 1, ctimeNs: 2, mtimeS: 3, mtimeNs: 0, dev: 1, ino: 2, uid: 3, gid: 4 }
const entry = (path: string, size = 1): IndexEntry => ({ path, mode: 0o100644, oid, size, ...stat })
const PATHS = ['a', 'a-b', 'a.txt', 'b/.gitignore', 'b/c/d', 'b/c/e', 'b/x', 'b0', '\xff']
const index = new SeedIndex(
  encodeIndex(
    PATHS.map((path) => entry(path)),
    'sha1',
  ),
  'sha1',
)
const namesOf = (entries: readonly IndexEntry[]) => entries.map(({ path }) => path)

test('SeedIndex.childrenOf() gives what lies right in a directory', () => {
  const root = index.childrenOf('')
  expect(namesOf(root.files)).toEqual(['a', 'a-b', 'a.txt', 'b0', '\xff'])
  expect(root.directories).toEqual(['b'])
  const below = index.childrenOf('b')
  expect([namesOf(below.files), below.directories]).toEqual([['b/.gitignore', 'b/x'], ['b/c']])
  expect(index.childrenOf('nowhere')).toEqual({ files: [], directories: [] })
})

test('SeedIndex.named() finds a name in every directory, and no other one', () => {
  expect(namesOf(index.named('.gitignore'))).toEqual(['b/.gitignore'])
  expect(namesOf(index.named('b'))).toEqual([])
  expect(namesOf(index.named('a'))).toEqual(['a'])
})

test('SeedIndex.edited() writes what encodeIndex() writes of the edited entries', () => {
  const edits = new Map([
    ['a', undefined],
    ['a-b', entry('a-b', 7)],
    ['b/new', entry('b/new')],
    ['nothing', undefined],
    [`z${'y'.repeat(5000)}`, entry(`z${'y'.repeat(5000)}`)],
  ])
  const kept = PATHS.filter((path) => !edits.has(path)).map((path) => entry(path))
  const written = [...edits.values()].filter((one) => one !== undefined)
  const bytes = index.edited(edits)
  expect(bytes.equals(encodeIndex([...kept, ...written], 'sha1'))).toBe(true)
  expect(decodeIndex(bytes, 'sha1')).toHaveLength(PATHS.length + 1)
})

test('SeedIndex refuses what is no index', () => {
  expect(() => new SeedIndex(Buffer.alloc(40), 'sha1')).toThrow(/damaged/)
})
