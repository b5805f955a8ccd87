import { expect, test } from 'vitest'
import { Refusals, REFUSALS_KEPT_MAX } from './refusals.ts'
import { isUntouched } from './tree-state.ts'

const stamp = { size: 10, ino: 5, mtimeMs: 1000.5, ctimeMs: 2000.25 }

test('isUntouched() wants size, inode and both times the same', () => {
  expect(isUntouched(stamp, { ...stamp })).toBe(true)
  expect(isUntouched({ ...stamp, ino: 5 }, { ...stamp, ino: 2 ** 32 + 5 })).toBe(true)
  for (const other of [{ size: 11 }, { ino: 6 }, { mtimeMs: 1000.6 }, { ctimeMs: 2000.26 }]) {
    expect(isUntouched(stamp, { ...stamp, ...other })).toBe(false)
  }
  expect(isUntouched(undefined, stamp)).toBe(false)
})

test('Refusals cover a refused path and all below it, also beyond the list', () => {
  const refusals = new Refusals()
  for (let i = 0; i < REFUSALS_KEPT_MAX; i++) refusals.refuse(`f${i}`, 'fifo')
  refusals.refuse('dir', 'too_deep')
  refusals.note('noted', 'set_id')
  expect([refusals.list.length, refusals.total]).toEqual([REFUSALS_KEPT_MAX, REFUSALS_KEPT_MAX + 2])
  expect(refusals.covers('dir/a/b')).toBe(true)
  expect(refusals.covers('directory')).toBe(false)
  expect(refusals.covers('noted')).toBe(false)
})
