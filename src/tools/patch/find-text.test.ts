import fc from 'fast-check'
import { expect, test } from 'vitest'
import { findText } from './find-text.ts'

test('findText() finds long texts where indexOf does, without overlap', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 12 })
  fc.assert(
    fc.property(letters, letters, fc.nat(4), (before, after, repeats) => {
      const wanted = `${before}${'ab'.repeat(150)}${after}`
      const text = `${after}${wanted.repeat(repeats)}${before}${wanted.slice(1)}`
      const expected: number[] = []
      for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length))
        expected.push(at)
      expect(findText(text, wanted, 100)).toEqual(expected)
    }),
  )
})

test('findText() ends after more places than are wanted, and finds no empty text', () => {
  expect(findText('aaaa', 'a', 2)).toEqual([0, 1, 2])
  expect(findText('a'.repeat(3000), 'a'.repeat(300), 2)).toEqual([0, 300, 600])
  expect(findText('abc', '', 2)).toEqual([])
})

test('findText() is quick where a search from every place is not', () => {
  const wanted = `${'a'.repeat(200_000)}b${'a'.repeat(200_000)}`
  const started = performance.now()
  expect(findText('a'.repeat(4_000_000), wanted, 9)).toEqual([])
  expect(performance.now() - started).toBeLessThan(10_000)
})
