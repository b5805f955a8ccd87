import { expect, test } from 'vitest'
import { age, bytes, duration, oneLine, plural } from './print.ts'

test.each([
  [0, '0 ms'],
  [999.7, '999 ms'],
  [1000, '1.0 s'],
  [59_990, '59.9 s'],
  [60_000, '1 min 0 s'],
  [119_700, '1 min 59 s'],
  [3_600_000, '1 h 0 min'],
])('duration() shows %d ms as %s', (ms, shown) => {
  expect(duration(ms)).toBe(shown)
})

test('age() never shows a time to come', () => {
  expect(age(1000, 5000)).toBe('0 s ago')
  expect(age(90_000_000, 0)).toBe('1 d ago')
})

test('oneLine() cuts untrusted text to one line of at most so many characters', () => {
  expect(oneLine('a\nb\u001b[2J', 20)).toBe('a b␛[2J')
  expect(oneLine('x'.repeat(50), 10)).toBe(`${'x'.repeat(9)}…`)
})

test('plural() and bytes() follow the number', () => {
  expect([plural(1, 'file'), plural(2, 'file')]).toEqual(['1 file', '2 files'])
  expect([bytes(999), bytes(1000), bytes(2e9)]).toEqual(['999 B', '1.0 kB', '2.0 GB'])
})
