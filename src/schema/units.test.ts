import { describe, expect, test } from 'vitest'
import { ByteSize, Duration, Timeout } from './units.ts'

describe('ByteSize', () => {
  test.each([
    ['512', 512],
    [512, 512],
    ['1B', 1],
    ['64MB', 64_000_000],
    ['2GiB', 2_147_483_648],
    ['1.5KB', 1500],
    ['1.1GB', 1_100_000_000],
    [' 2 GB ', 2_000_000_000],
  ])('ByteSize reads %o as %i bytes', (text, bytes) => {
    expect(ByteSize.parse(text)).toBe(bytes)
  })

  test.each([
    '',
    ' ',
    'MB',
    '-1MB',
    '+1MB',
    '0',
    '0MB',
    '64mb',
    '64 M B',
    '1.MB',
    '.5MB',
    '0.5',
    '1e3',
    '0x10',
    'Infinity',
    'NaN',
    '1constructor',
    '1toString',
    '9'.repeat(400),
    '9007199254740993',
    '1MB\n2MB',
    1.5,
    -1,
    1e21,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    true,
    null,
    undefined,
    [1],
    {},
  ])('ByteSize refuses %o and says what it expects', (text) => {
    const result = ByteSize.safeParse(text)
    expect(result.error?.issues[0]?.message).toMatch(/^Expected a size such as 64MB/)
    expect(result.error?.issues).toHaveLength(1)
  })
})

describe('Duration', () => {
  test.each([
    ['500ms', 500],
    ['90s', 90_000],
    ['10m', 600_000],
    ['1.5h', 5_400_000],
    ['596h', 2_145_600_000],
  ])('Duration reads %s as %i ms', (text, ms) => {
    expect(Duration.parse(text)).toBe(ms)
  })

  test.each(['10', 10, '10M', '10min', '1d', '0s', '0.4ms', '-1s', '597h', '1000h', 'fast', ''])(
    'Duration refuses %o',
    (text) => {
      const result = Duration.safeParse(text)
      expect(result.error?.issues[0]?.message).toMatch(/^Expected a duration such as 90s/)
    },
  )

  test('Duration stays below the longest wait of a timer, beyond which timers fire at once', () => {
    expect(Duration.parse('2147483647ms')).toBe(2 ** 31 - 1)
    expect(Duration.safeParse('2147483648ms').success).toBe(false)
  })

  test('Duration shortens the value it quotes', () => {
    const message = Duration.safeParse('9'.repeat(10_000)).error?.issues[0]?.message ?? ''
    expect(message.length).toBeLessThan(200)
  })
})

describe('Timeout', () => {
  test.each([
    ['fast', 60_000],
    ['medium', 600_000],
    ['long', 3_600_000],
    ['10m', 600_000],
  ])('Timeout reads %s as %i ms', (text, ms) => {
    expect(Timeout.parse(text)).toBe(ms)
  })

  test.each(['slow', 'Fast', 'toString', '10', 10, null])(
    'Timeout refuses %o in one issue',
    (text) => {
      const issues = Timeout.safeParse(text).error?.issues
      expect(issues).toHaveLength(1)
      expect(issues?.[0]?.message).toMatch(/^Expected fast, medium, long or a duration/)
    },
  )
})
