import { expect, test } from 'vitest'
import { cronTimes } from './cron-times.ts'

const at = (text: string) => Date.parse(text)
const iso = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString())

function ticks(cron: string, zone: string, from: string, count: number): (string | undefined)[] {
  const times = cronTimes(cron, zone)
  const found: (string | undefined)[] = []
  for (let now: number | undefined = at(from); found.length < count && now !== undefined;) {
    now = times.after(now)
    found.push(iso(now)?.slice(0, 16))
  }
  return found
}

test('cronTimes() makes up for a time that daylight saving leaves out, once', () => {
  expect(ticks('30 2 * * *', 'Europe/Berlin', '2026-03-27T12:00Z', 4)).toEqual([
    '2026-03-28T01:30',
    '2026-03-29T01:00',
    '2026-03-30T00:30',
    '2026-03-31T00:30',
  ])
})

test('cronTimes() has a time that comes twice the first time only', () => {
  expect(ticks('30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00Z', 2)).toEqual([
    '2026-10-25T00:30',
    '2026-10-26T01:30',
  ])
  expect(ticks('30 1 * * *', 'America/New_York', '2026-10-31T12:00Z', 2)).toEqual([
    '2026-11-01T05:30',
    '2026-11-02T06:30',
  ])
})

test('cronTimes() has every hour and every minute, also those that come twice', () => {
  expect(ticks('0 * * * *', 'Europe/Berlin', '2026-10-24T23:30Z', 4)).toEqual([
    '2026-10-25T00:00',
    '2026-10-25T01:00',
    '2026-10-25T02:00',
    '2026-10-25T03:00',
  ])
  const times = cronTimes('* * * * *', 'Europe/Berlin')
  for (let now = at('2026-10-25T00:00Z'); now < at('2026-10-25T03:00Z'); now += 60_000)
    expect(times.after(now)).toBe(now + 60_000)
})

test('cronTimes() knows zones whose clock jumps by half an hour', () => {
  expect(ticks('15 2 * * *', 'Australia/Lord_Howe', '2026-10-02T12:00Z', 3)).toEqual([
    '2026-10-02T15:45',
    '2026-10-03T15:30',
    '2026-10-04T15:15',
  ])
})

test('lastUntil() is the tick itself at its moment, and the one before up to it', () => {
  const times = cronTimes('0 3 * * *', 'UTC')
  const tick = at('2026-05-02T03:00Z')
  expect(times.lastUntil(tick)).toBe(tick)
  expect(times.lastUntil(tick - 1)).toBe(tick - 86_400_000)
  expect(times.lastUntil(tick - 999)).toBe(tick - 86_400_000)
  expect(times.lastUntil(tick + 1)).toBe(tick)
  expect(times.lastUntil(tick + 86_399_999)).toBe(tick)
  expect(times.after(tick)).toBe(tick + 86_400_000)
})

test.each([
  ['61 * * * *', 'UTC', 'Invalid value for minute'],
  ['* * * * * *', 'UTC', 'requires exactly 5 parts'],
  ['0 0 30 2 *', 'UTC', 'never due'],
  ['', 'UTC', 'Cannot use cron expression'],
  ['0 0 * * *', 'Europe/Nowhere', 'not known'],
  ['0 0 * * *', '../etc', 'not known'],
])('cronTimes() refuses %j in %s', (cron, zone, message) => {
  expect(() => cronTimes(cron, zone)).toThrow(message)
})
