import { expect, test } from 'vitest'
import { createBuckets } from './token-buckets.ts'

function bucketsAt(rate: { perSecond: number; burst: number }, keysMax = 100) {
  const clock = { ms: 0 }
  return { clock, buckets: createBuckets(rate, { now: () => clock.ms, keysMax }) }
}

test('take() allows a burst, then as many as the rate gives back', () => {
  const { clock, buckets } = bucketsAt({ perSecond: 2, burst: 3 })
  const uses = () => [1, 2, 3, 4].map(() => buckets.take('a').allowed)
  expect(uses()).toEqual([true, true, true, false])
  clock.ms = 1000
  expect(uses()).toEqual([true, true, false, false])
  clock.ms = 60_000
  expect(uses()).toEqual([true, true, true, false])
})

test('take() says what is left and when to come back', () => {
  const { clock, buckets } = bucketsAt({ perSecond: 0.1, burst: 2 })
  expect(buckets.take('a')).toMatchObject({ limit: 2, remaining: 1, resetS: 10 })
  expect(buckets.take('a')).toMatchObject({ allowed: true, remaining: 0, retryAfterS: 10 })
  expect(buckets.take('a')).toMatchObject({ allowed: false, resetS: 20, retryAfterS: 10 })
  clock.ms = 9_000
  expect(buckets.take('a')).toMatchObject({ allowed: false, retryAfterS: 1 })
  clock.ms = 10_000
  expect(buckets.take('a').allowed).toBe(true)
})

test('take() counts each key alone', () => {
  const { buckets } = bucketsAt({ perSecond: 1, burst: 1 })
  expect(['a', 'b', 'a', 'b'].map((key) => buckets.take(key).allowed)).toEqual([
    true,
    true,
    false,
    false,
  ])
})

test('createBuckets() keeps no more keys than it may, and forgets who was away longest', () => {
  const { buckets } = bucketsAt({ perSecond: 1, burst: 1 }, 10)
  buckets.take('kept')
  for (let i = 0; i < 1000; i++) {
    buckets.take(`key ${i}`)
    buckets.take('kept')
  }
  expect(buckets.size).toBe(10)
  expect(buckets.take('kept').allowed).toBe(false)
  expect(buckets.take('key 1').allowed).toBe(true)
})
