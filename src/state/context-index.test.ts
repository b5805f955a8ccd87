import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { CONTEXT_COLUMNS, openContextIndex } from './context-index.ts'

const root = mkdtempSync(join(tmpdir(), 'openexec-index-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

function blob(oid: string, ...terms: string[]) {
  const columns = Array.from({ length: CONTEXT_COLUMNS }, (_, at) => terms[at] ?? '')
  return { oid, length: terms.length, namesLength: 0, columns }
}

/** A state directory of its own with an index that knows one blob. */
function filledIndex(): string {
  const file = join(mkdtempSync(join(root, 'state-')), 'context-index.db')
  using index = openContextIndex(file)
  index.add([blob('one', 'sum total')])
  return file
}

test('openContextIndex() finds blobs and the columns a term stands in', () => {
  using index = openContextIndex(':memory:')
  index.add([blob('one', 'sum', 'list', 'sum'), blob('two', '', 'sum'), blob('one', 'other')])
  index.add([{ oid: 'binary', length: -1, namesLength: 0, columns: [] }])
  const found = index.find(['one', 'two', 'binary', 'none'])
  expect([...found.keys()]).toEqual(['one', 'two', 'binary'])
  expect(index.postings('sum')).toEqual([
    { blob: 1, column: 0 },
    { blob: 1, column: 2 },
    { blob: 2, column: 1 },
  ])
  expect(index.postings('other')).toEqual([])
  expect(index.postings("' OR 1=1")).toEqual([])
  index.putNote('churn', 'x')
  expect(index.getNote('churn')).toBe('x')
})

test('openContextIndex() keeps what it knows in its file', () => {
  using index = openContextIndex(filledIndex())
  expect(index.find(['one']).size).toBe(1)
})

test('openContextIndex() makes a damaged index anew', () => {
  const file = filledIndex()
  writeFileSync(file, 'This is no database at all, but long enough to be read as one.'.repeat(50))
  {
    using index = openContextIndex(file)
    expect(index.find(['one']).size).toBe(0)
    index.add([blob('one', 'sum')])
  }
  using index = openContextIndex(file)
  expect(index.find(['one']).size).toBe(1)
})

test('openContextIndex() does not believe an index of another state directory', () => {
  const foreign = readFileSync(filledIndex())
  const file = filledIndex()
  writeFileSync(file, foreign)
  using index = openContextIndex(file)
  expect(index.find(['one']).size).toBe(0)
})

test('openContextIndex() replaces a link and leaves what it points to alone', () => {
  const victim = join(root, 'victim.txt')
  writeFileSync(victim, 'mine')
  for (const suffix of ['', '-wal']) {
    const file = filledIndex()
    rmSync(`${file}${suffix}`, { force: true })
    symlinkSync(victim, `${file}${suffix}`)
    using index = openContextIndex(file)
    index.add([blob('two', 'sum')])
    expect(index.find(['two']).size).toBe(1)
    expect(readFileSync(victim, 'utf8')).toBe('mine')
  }
})
