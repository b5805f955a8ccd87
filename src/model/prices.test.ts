import { expect, test } from 'vitest'
import { costMicroUsd, PRICE_TABLE, priceOf, priceTableHash, worstCostMicroUsd } from './prices.ts'
import { estimateTokens } from './tokens.ts'
import { addUsage, NO_USAGE, usageTokens } from './usage.ts'

const price = {
  inputUncached: 3_000_000,
  cacheRead: 300_000,
  cacheWrite5m: 3_750_000,
  cacheWrite1h: 6_000_000,
  output: 15_000_000,
}

test('costMicroUsd() prices each bucket once and rounds up', () => {
  const tokens = {
    inputUncached: 1000,
    cacheRead: 10_000,
    cacheWrite5m: 0,
    cacheWrite1h: 1,
    output: 100,
  }
  expect(costMicroUsd(tokens, price)).toBe(3000 + 3000 + 6 + 1500)
  expect(costMicroUsd({ ...tokens, cacheRead: 1 }, price)).toBe(3000 + 1 + 6 + 1500)
})

test('worstCostMicroUsd() is never below the real cost of as many tokens', () => {
  const real = { inputUncached: 0, cacheRead: 0, cacheWrite5m: 0, cacheWrite1h: 500, output: 70 }
  expect(worstCostMicroUsd({ input: 500, output: 70 }, price)).toBe(costMicroUsd(real, price))
})

test('priceOf() tells an unknown model from a free one', () => {
  expect(priceOf(PRICE_TABLE, { provider: 'scripted', model: 'x' })?.output).toBe(0)
  expect(priceOf(PRICE_TABLE, { provider: 'nobody', model: 'x' })).toBeUndefined()
  expect(priceOf(PRICE_TABLE, { provider: '__proto__', model: 'x' })).toBeUndefined()
})

test('priceTableHash() changes with any price', () => {
  const dearer = { ...PRICE_TABLE, prices: { 'scripted/*': { ...price } } }
  expect(priceTableHash(dearer)).not.toBe(priceTableHash(PRICE_TABLE))
})

test('addUsage() and usageTokens() count reasoning as a part of output', () => {
  const usage = { ...NO_USAGE, inputUncached: 5, output: 7, reasoning: 6, costMicroUsd: 2 }
  const sum = addUsage(usage, usage)
  expect(sum).toMatchObject({ inputUncached: 10, output: 14, reasoning: 12, costMicroUsd: 4 })
  expect(usageTokens(sum)).toBe(24)
})

test('estimateTokens() is linear on text that a tokeniser is slow on', () => {
  const started = performance.now()
  expect(estimateTokens('a'.repeat(5_000_000))).toBeGreaterThan(800_000)
  expect(performance.now() - started).toBeLessThan(10_000)
  expect(estimateTokens('')).toBe(0)
  expect(estimateTokens('const total = items.length')).toBeGreaterThanOrEqual(5)
})
