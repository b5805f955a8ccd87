import { expect, test } from 'vitest'
import { decodeIndex, encodeIndex, type IndexEntry } from './git-index.ts'

const entry = (path: string, oid: string): IndexEntry => ({
  path,
  oid,
  mode: 0o100644,
  ctimeS: 1,
  ctimeNs: 2,
  mtimeS: 3,
  mtimeNs: 4,
  dev: 5,
  ino: 6,
  uid: 7,
  gid: 8,
  size: 9,
})

test.each(['sha1', 'sha256'] as const)(
  'decodeIndex() gives back what encodeIndex() was given, %s',
  (format) => {
    const oid = 'ab'.repeat(format === 'sha1' ? 20 : 32)
    const entries = ['b', 'a/\u00ff\n', 'a', 'x'.repeat(5000)].map((path) => entry(path, oid))
    const decoded = decodeIndex(encodeIndex(entries, format), format)
    expect(decoded.map((found) => found.path)).toEqual(['a', 'a/\u00ff\n', 'b', 'x'.repeat(5000)])
    expect(decoded[2]).toEqual(entries[0])
  },
)

test('encodeIndex() cuts numbers to 32 bits', () => {
  const big = { ...entry('a', '00'.repeat(20)), size: 2 ** 33 + 5, ino: 2 ** 40 + 6 }
  expect(decodeIndex(encodeIndex([big], 'sha1'), 'sha1')).toMatchObject([{ size: 5, ino: 6 }])
})

test('decodeIndex() refuses a damaged file', () => {
  const bytes = encodeIndex([entry('a', '00'.repeat(20))], 'sha1')
  bytes[20] = 0xff
  expect(() => decodeIndex(bytes, 'sha1')).toThrow(/damaged/)
  expect(() => decodeIndex(Buffer.alloc(0), 'sha1')).toThrow(/damaged/)
})
