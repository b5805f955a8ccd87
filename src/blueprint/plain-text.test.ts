import { expect, test } from 'vitest'
import { plainText } from './plain-text.ts'

test('plainText() makes one line without what a terminal would obey', () => {
  expect(plainText('a\r\nb\tc')).toBe('a b c')
  expect(plainText('\u001b]0;title\u0007x')).toBe('\uFFFD]0;title\uFFFDx')
  expect(plainText('safe\u202Egpj.exe\u2066')).toBe('safe\uFFFDgpj.exe\uFFFD')
  expect(plainText('grün 漢字 🎉')).toBe('grün 漢字 🎉')
})

test('plainText() cuts what is too long, also in the middle of a character', () => {
  expect(plainText('x'.repeat(20), 10)).toBe(`${'x'.repeat(9)}…`)
  expect(plainText('x'.repeat(10), 10)).toBe('x'.repeat(10))
  expect(plainText(`${'x'.repeat(8)}🎉🎉`, 10)).toBe(`${'x'.repeat(8)}\uFFFD…`)
})
