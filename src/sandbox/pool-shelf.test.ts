import { expect, test } from 'vitest'
import type { PoolWish, WarmSandbox } from './pool-shelf.ts'
import { Shelf } from './pool-shelf.ts'

// Never looked into by a shelf.
const wish = {} as PoolWish
const warm = (openedAt: number) => ({ openedAt }) as WarmSandbox

test('Shelf wants sandboxes up to the high mark, and again only below the low one', () => {
  const shelf = new Shelf(wish, { low: 1, high: 3 }, 0)
  for (const at of [1, 2]) shelf.put(warm(at))
  expect(shelf.wantsIn(0)).toBe(0)
  shelf.put(warm(3))
  expect(shelf.wantsIn(0)).toBeUndefined()
  expect(shelf.take()?.openedAt).toBe(1)
  expect(shelf.take()?.openedAt).toBe(2)
  expect(shelf.wantsIn(0)).toBeUndefined()
  expect(shelf.take()?.openedAt).toBe(3)
  expect(shelf.take()).toBeUndefined()
  expect(shelf.wantsIn(0)).toBe(0)
})

test('Shelf waits longer after each start that failed, at most a minute', () => {
  const shelf = new Shelf(wish, { low: 1, high: 1 }, 0)
  const waits = [0, 0, 0].map(() => {
    shelf.failed(0)
    return shelf.wantsIn(0)
  })
  expect(waits).toEqual([1_000, 2_000, 4_000])
  for (let tries = 0; tries < 20; tries++) shelf.failed(0)
  expect(shelf.wantsIn(0)).toBe(60_000)
  expect(shelf.wantsIn(61_000)).toBe(0)
})

test('Shelf forgets one that is gone', () => {
  const shelf = new Shelf(wish, { low: 1, high: 1 }, 0)
  const one = warm(1)
  shelf.put(one)
  shelf.drop(one)
  expect(shelf.take()).toBeUndefined()
  expect(shelf.wantsIn(0)).toBe(0)
})
