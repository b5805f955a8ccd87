import { expect, test } from 'vitest'
import { openTestState, testRun } from '../../test/helpers/state.ts'
import type { State } from '../state/index.ts'
import { type CacheLimits, createCache, DEFAULT_CACHE_LIMITS } from './cache.ts'
import { type CacheInputs, cacheKey } from './key.ts'

const inputs: CacheInputs = {
  kind: 'action',
  maker: { id: 'build_context_pack', version: 1 },
  inputs: { query: 'x' },
  tree: 'a'.repeat(40),
  imageDigest: undefined,
  policyHash: 'b'.repeat(64),
  env: { CI: '1' },
}
const key = (number: number) => cacheKey({ ...inputs, inputs: { number } })
const originRun = testRun().id

/** A cache whose clock stands where the test puts it. */
function openCache(state: State, limits: Partial<CacheLimits> = {}) {
  const clock = { time: 1_000_000 }
  const all = { ...DEFAULT_CACHE_LIMITS, ...limits }
  return { clock, cache: createCache({ state, now: () => clock.time, limits: all }) }
}

test('get() returns what put() kept, with the run it came from', () => {
  using state = openTestState()
  const { cache } = openCache(state)
  expect(cache.get(key(1))).toBeUndefined()
  expect(cache.put(key(1), { kind: 'action', value: { a: [1, null] }, originRun })).toBe(true)
  expect(cache.get(key(1))).toEqual({ value: { a: [1, null] }, originRun, createdAt: 1_000_000 })
  cache.put(key(1), { kind: 'action', value: 'new', originRun: undefined })
  expect(cache.get(key(1))).toMatchObject({ value: 'new', originRun: undefined })
})

test('cacheKey() differs in everything a value depends on', () => {
  const others: CacheInputs[] = [
    { ...inputs, kind: 'context_index' },
    { ...inputs, maker: { id: 'build_context_pack', version: 2 } },
    { ...inputs, inputs: { query: 'y' } },
    { ...inputs, tree: 'c'.repeat(40) },
    { ...inputs, imageDigest: 'sha256:1' },
    { ...inputs, policyHash: 'd'.repeat(64) },
    { ...inputs, env: {} },
  ]
  const keys = [inputs, ...others].map(cacheKey)
  expect(new Set(keys).size).toBe(keys.length)
  expect(cacheKey({ ...inputs, inputs: { b: 1, a: 2 } })).toBe(
    cacheKey({ ...inputs, inputs: { a: 2, b: 1 } }),
  )
})

test('put() keeps no value that is too large, and says so', () => {
  using state = openTestState()
  const { cache } = openCache(state, { valueBytes: 10 })
  expect(cache.put(key(1), { kind: 'k', value: 'x'.repeat(9), originRun })).toBe(false)
  expect(cache.put(key(2), { kind: 'k', value: 'x'.repeat(8), originRun })).toBe(true)
  expect(cache.get(key(1))).toBeUndefined()
})

test('put() evicts what was least recently used', () => {
  using state = openTestState()
  const { cache, clock } = openCache(state, { totalBytes: 30 })
  const put = (number: number) =>
    cache.put(key(number), { kind: 'k', value: '12345678', originRun })
  for (const number of [1, 2, 3]) {
    put(number)
    clock.time += 100_000
  }
  cache.get(key(1))
  clock.time += 1
  put(4)
  expect([1, 2, 3, 4].filter((number) => cache.get(key(number)) !== undefined)).toEqual([1, 3, 4])
})

test('an entry that is too old is not found, and evict() removes it', () => {
  using state = openTestState()
  const { cache, clock } = openCache(state, { ageMs: 1000 })
  cache.put(key(1), { kind: 'k', value: 1, originRun })
  clock.time += 1000
  expect(cache.get(key(1))?.value).toBe(1)
  expect(cache.evict()).toBe(0)
  clock.time += 1
  expect(cache.get(key(1))).toBeUndefined()
  expect(cache.evict()).toBe(1)
})
