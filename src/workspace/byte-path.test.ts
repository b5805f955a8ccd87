import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  fromBytes,
  fromName,
  fsPath,
  parentsOf,
  quotePath,
  showPath,
  toBytes,
  toName,
  toText,
} from './byte-path.ts'

test('fromBytes() and toBytes() lose no byte', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(toBytes(fromBytes(bytes))).toEqual(Buffer.from(bytes))
      expect(fromName(toName(fromBytes(bytes)))).toBe(fromBytes(bytes))
    }),
  )
})

test('toName() gives text where the bytes are UTF-8, and bytes where they are not', () => {
  expect(toName('caf\u00c3\u00a9')).toBe('café')
  expect(toName('bad\u00ff')).toEqual(Buffer.from([98, 97, 100, 255]))
  expect(toText('bad\u00ff')).toBe('bad\ufffd')
})

test('fsPath() gives bytes only where text would change them', () => {
  expect(fsPath('/slot', 'a/b')).toBe('/slot/a/b')
  expect(fsPath('/släht', 'x\u00ff')).toEqual(
    Buffer.concat([Buffer.from('/släht/x', 'utf8'), Buffer.from([255])]),
  )
})

test('quotePath() leaves nothing fast-import could take for a command', () => {
  expect(quotePath('a b')).toBe('"a b"')
  expect(quotePath('x"\\\n\u00ff')).toBe('"x\\042\\134\\012\\377"')
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(quotePath(fromBytes(bytes))).toMatch(
        /^"(?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\[0-7]{3})*"$/,
      )
    }),
  )
})

test('showPath() escapes what a terminal would obey', () => {
  expect(showPath('a\u001b[31m\n')).toBe('"a\\u001b[31m\\n"')
})

test('parentsOf() goes from the nearest directory up', () => {
  expect([...parentsOf('a/b/c')]).toEqual(['a/b', 'a'])
  expect([...parentsOf('a')]).toEqual([])
})
