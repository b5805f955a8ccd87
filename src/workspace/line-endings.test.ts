import { expect, test } from 'vitest'
import { toDosLines, toUnixLines } from './line-endings.ts'

test('toUnixLines() changes CRLF only, and text only', () => {
  expect(toUnixLines(Buffer.from('a\r\nb\rc\n'))?.toString()).toBe('a\nb\rc\n')
  expect(toUnixLines(Buffer.from('a\nb'))).toBeUndefined()
  expect(toUnixLines(Buffer.from('a\r\n\0'))).toBeUndefined()
})

test('toDosLines() gives every line CRLF once', () => {
  expect(toDosLines(Buffer.from('a\nb\r\nc')).toString()).toBe('a\r\nb\r\nc')
  expect(toDosLines(Buffer.from('a\n\0')).toString()).toBe('a\n\0')
})
