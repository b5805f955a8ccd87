import { expect, test } from 'vitest'
import { truncate } from './truncate.ts'

test('truncate() leaves a text alone that fits', () => {
  expect(truncate('a'.repeat(100), 100)).toBeUndefined()
})

test('truncate() keeps whole lines of head and tail, and more of the tail', () => {
  const text = Array.from({ length: 1000 }, (_, i) => `line ${i}`).join('\n')
  const cut = truncate(text, 1000)
  if (cut === undefined) throw new Error('Not cut')
  expect(cut.head.startsWith('line 0\n')).toBe(true)
  expect(cut.head.endsWith('\n')).toBe(true)
  expect(cut.tail.startsWith('line ')).toBe(true)
  expect(cut.tail.endsWith('line 999')).toBe(true)
  expect(cut.tail.length).toBeGreaterThan(cut.head.length)
  expect(cut.head.length + cut.tail.length + cut.elidedBytes).toBe(text.length)
  expect(cut.head.length + cut.tail.length).toBeLessThanOrEqual(1000)
})

test('truncate() never cuts a character in two', () => {
  for (let max = 10; max < 60; max++) {
    const cut = truncate('日本語🙂é'.repeat(50), max)
    expect(`${cut?.head}${cut?.tail}`).not.toContain('\uFFFD')
  }
})

test('truncate() cuts one endless line in itself', () => {
  const cut = truncate('x'.repeat(10_000), 100)
  expect([cut?.head.length, cut?.tail.length]).toEqual([40, 60])
})
