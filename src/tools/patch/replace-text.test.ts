import { expect, test } from 'vitest'
import { planEdits } from './plan-edits.ts'
import { replaceText } from './replace-text.ts'

/** The content after the replacement; `undefined` when there is nothing to do. */
async function edited(content: string, oldText: string, newText: string, all = false) {
  const bytes = new Uint8Array(Buffer.from(content))
  const edit = replaceText(bytes, { path: 'f', oldText, newText, all })
  if (!edit.ok) return edit.rejection
  if (edit.value === undefined) return undefined
  const plan = await planEdits([edit.value], async () => ({
    kind: 'file',
    content: bytes,
    mode: 0o644,
  }))
  if (!plan.ok) return plan.rejection
  return Buffer.from(plan.value.writes[0]?.file.content ?? bytes).toString()
}

test.each([
  ['a part of a line', 'let a = 1\n', 'a = 1', 'b = 2', 'let b = 2\n'],
  ['several lines', 'a\nb\nc\nd\n', 'b\nc', 'X', 'a\nX\nd\n'],
  ['a whole line with its end', 'a\nb\nc\n', 'b\n', '', 'a\nc\n'],
  ['everything', 'a\n', 'a\n', 'b\n', 'b\n'],
  ['the last line without an end', 'a\nb', 'b', 'c', 'a\nc'],
  ['the missing final newline', 'a\nb', 'a\nb', 'a\nb\n', 'a\nb\n'],
  ['the final newline', 'a\nb\n', 'b\n', 'b', 'a\nb'],
  ['all there is', 'a', 'a', '', ''],
  ['beside other letters', 'é ü\n', 'ü', 'ö', 'é ö\n'],
  ['line ends of the file', 'a\r\nb\r\nc\r\n', 'a\nb', 'x\ny\nz', 'x\r\ny\r\nz\r\nc\r\n'],
  ['a repeated line in one place', 'x\nx\ny\nx\n', 'x\ny', 'x\nz', 'x\nx\nz\nx\n'],
])('replaceText() replaces %s', async (_title, content, oldText, newText, expected) => {
  expect(await edited(content, oldText, newText)).toBe(expected)
})

test('replaceText() refuses an old text that stands in several places, unless all are meant', async () => {
  expect(await edited('a b a\nc\na\n', 'a', 'x')).toMatchObject({
    code: 'ambiguous_match',
    nearest: [{ line: 1 }, { line: 1 }, { line: 3 }],
  })
  expect(await edited('a b a\nc\na\n', 'a', 'x', true)).toBe('x b x\nc\nx\n')
})

test('replaceText() shows the nearest lines when the old text is nowhere', async () => {
  expect(await edited('const total = 0\n', 'const totl = 0', 'const total = 1')).toMatchObject({
    code: 'context_not_found',
    nearest: [{ line: 1, text: 'const total = 0' }],
  })
})

test('replaceText() forgives indentation only for whole lines', async () => {
  expect(await edited('  if (a) {\n    b\n  }\n', 'if (a) {\n  b\n}', 'if (a) {\n  c\n}')).toBe(
    '  if (a) {\n    c\n  }\n',
  )
})

test('replaceText() does nothing when the file reads as it should', async () => {
  expect(await edited('total = 1\n', 'total = 0', 'total = 1')).toBeUndefined()
  expect(await edited('export total\n', 'missing', 'x')).toMatchObject({
    code: 'context_not_found',
  })
  expect(await edited('subtotal = 12\n', 'missing', 'total = 1')).toMatchObject({
    code: 'context_not_found',
  })
})

test('replaceText() refuses a replacement by itself', async () => {
  expect(await edited('a\n', 'a', 'a')).toMatchObject({ code: 'no_change' })
})
