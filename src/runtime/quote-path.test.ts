import { expect, test } from 'vitest'
import { quotePath } from './quote-path.ts'

test.each([
  ['a plain name', 'src/a b.ts', 'src/a b.ts'],
  ['other alphabets', 'dé/日本', 'dé/日本'],
  ['a line end', 'a\nb', String.raw`"a\nb"`],
  ['a quote and a backslash', 'a"\\b', String.raw`"a\"\\b"`],
  ['an escape sequence', 'a\u001b[31mb', String.raw`"a\033[31mb"`],
  ['a line separator', 'a\u2028b', String.raw`"a\342\200\250b"`],
])('quotePath() keeps %s on one line', (_name, path, shown) => {
  expect(quotePath(Buffer.from(path))).toBe(shown)
})

test('quotePath() shows bytes that are no UTF-8 as octal', () => {
  expect(quotePath(Buffer.from([0x6c, 0xe9]))).toBe(String.raw`"l\351"`)
})
