import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type DiskUse, type DiskWatch, watchDisk } from './watch-disk.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

function watching(uses: readonly (DiskUse | Error)[]) {
  const controller = new AbortController()
  const over: DiskUse[] = []
  const warnings: string[] = []
  let looks = 0
  const watch: DiskWatch = {
    limits: { disk: 100, inodes: 10 },
    measure: async () => {
      const use = uses[Math.min(looks++, uses.length - 1)] ?? new Error('Nothing to measure')
      if (use instanceof Error) throw use
      return use
    },
    onLimit: (use) => over.push(use),
    log: { info: () => {}, warn: (message) => warnings.push(message) },
    signal: controller.signal,
  }
  return { watch, controller, over, warnings, looks: () => looks }
}

test.each([
  { bytes: 101, inodes: 1 },
  { bytes: 1, inodes: 11 },
])('watchDisk() tells once that %o is over the limit', async (use) => {
  const { watch, over, looks } = watching([{ bytes: 100, inodes: 10 }, use])
  const ended = watchDisk(watch)
  await vi.advanceTimersByTimeAsync(60_000)
  await ended
  expect(over).toEqual([use])
  expect(looks()).toBe(2)
})

test('watchDisk() goes on when a look fails, and says so', async () => {
  const { watch, over, warnings } = watching([new Error('gone'), { bytes: 500, inodes: 1 }])
  const ended = watchDisk(watch)
  await vi.advanceTimersByTimeAsync(60_000)
  await ended
  expect(over).toHaveLength(1)
  expect(warnings).toHaveLength(1)
})

test('watchDisk() ends with the signal, without another look', async () => {
  const { watch, controller, looks } = watching([{ bytes: 1, inodes: 1 }])
  const ended = watchDisk(watch)
  await vi.advanceTimersByTimeAsync(2_100)
  controller.abort()
  await ended
  expect(looks()).toBe(1)
  expect(vi.getTimerCount()).toBe(0)
})
