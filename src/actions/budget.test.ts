import { expect, test } from 'vitest'
import {
  type Bounds,
  boundsOfLimits,
  createBudget,
  describeExceeded,
  NO_SPEND,
  type Spend,
} from './budget.ts'

const BOUNDS: Bounds = {
  turns: 10,
  toolCalls: 20,
  tokens: 1000,
  costMicroUsd: 500,
  wallMs: 60_000,
  outputBytes: 4096,
  consecutiveErrors: 3,
}

function open(bounds: Partial<Bounds> = {}, parent?: ReturnType<typeof createBudget>) {
  const clock = { at: 0 }
  const budget = createBudget(
    { ...BOUNDS, ...bounds },
    { level: parent ? 'stage' : 'run', parent, spent: NO_SPEND, startedAt: 0, now: () => clock.at },
  )
  return Object.assign(budget, { clock })
}

function reserved(budget: ReturnType<typeof createBudget>, worst: Partial<Spend>) {
  const result = budget.reserve(worst)
  if (!result.ok) throw new Error(describeExceeded(result.exceeded))
  return result.reservation
}

test('reserve() refuses what could end beyond a bound, before it begins', () => {
  const budget = open()
  const first = reserved(budget, { turns: 1, tokens: 700, costMicroUsd: 300 })
  expect(budget.reserve({ tokens: 301 })).toEqual({
    ok: false,
    exceeded: { bound: 'tokens', level: 'run', limit: 1000, needed: 1001 },
  })
  first.settle({ turns: 1, tokens: 200, costMicroUsd: 20 })
  expect(budget.reserve({ tokens: 800 }).ok).toBe(true)
  expect(budget.spent()).toEqual({ ...NO_SPEND, turns: 1, tokens: 200, costMicroUsd: 20 })
})

test('reserve() takes exactly what is left', () => {
  const budget = open()
  reserved(budget, { tokens: 1000 }).settle({ tokens: 1000 })
  expect(budget.reserve({ tokens: 1 }).ok).toBe(false)
  expect(budget.reserve({ toolCalls: 1 }).ok).toBe(true)
})

test.each(['turns', 'toolCalls', 'tokens', 'costMicroUsd', 'outputBytes'] as const)(
  'reserve() holds bound %s at stage and run level',
  (bound) => {
    const run = open()
    const stage = open({ [bound]: 2 }, run)
    reserved(stage, { [bound]: 2 }).settle({ [bound]: 2 })
    expect(stage.reserve({ [bound]: 1 })).toMatchObject({ exceeded: { bound, level: 'stage' } })
    const wide = open({ [bound]: 1_000_000 }, run)
    expect(wide.reserve({ [bound]: BOUNDS[bound] - 1 })).toMatchObject({
      exceeded: { bound, level: 'run', limit: BOUNDS[bound] },
    })
    expect(wide.remaining()[bound]).toBe(BOUNDS[bound] - 2)
  },
)

test('reserve() leaves nothing held when the run refuses what the stage would grant', () => {
  const run = open({ tokens: 10 })
  const stage = open({ tokens: 100 }, run)
  expect(stage.reserve({ tokens: 11 }).ok).toBe(false)
  expect(stage.reserve({ tokens: 10 }).ok).toBe(true)
})

test('settle() counts once, and counts more than was reserved', () => {
  const budget = open()
  const reservation = reserved(budget, { tokens: 10 })
  reservation.settle({ tokens: 2000 })
  reservation.settle({ tokens: 2000 })
  expect(budget.spent().tokens).toBe(2000)
  expect(budget.remaining().tokens).toBe(0)
  expect(budget.reserve({ tokens: 1 }).ok).toBe(false)
})

test('exceeded() tells of wall time by the clock it is given', () => {
  const run = open({ wallMs: 100 })
  const stage = open({ wallMs: 1000 }, run)
  expect(stage.exceeded()).toBeUndefined()
  expect(stage.remaining().wallMs).toBe(100)
  run.clock.at = 100
  expect(stage.exceeded()).toMatchObject({ bound: 'wallMs', level: 'run' })
  expect(stage.reserve({ turns: 1 }).ok).toBe(false)
})

test('note() counts errors in a row only', () => {
  const budget = open()
  for (const ok of [false, false, true, false, false]) budget.note(ok)
  expect(budget.exceeded()).toBeUndefined()
  budget.note(false)
  expect(budget.exceeded()).toMatchObject({ bound: 'consecutiveErrors', needed: 3 })
})

test.each([Number.NaN, Infinity, -Infinity, 0, -1, 1.5, 2 ** 60])(
  'createBudget() refuses %d as any bound',
  (value) => {
    for (const bound of Object.keys(BOUNDS))
      expect(() => open({ [bound]: value })).toThrow(/finite positive whole number/)
  },
)

test.each([Number.NaN, Infinity, -1, 0.5])('reserve() and settle() refuse %d', (value) => {
  const budget = open()
  expect(() => budget.reserve({ tokens: value })).toThrow(/finite whole number/)
  const reservation = reserved(budget, { tokens: 1 })
  expect(() => reservation.settle({ tokens: value })).toThrow(/finite whole number/)
})

test('createBudget() goes on from what an earlier process has used', () => {
  const budget = createBudget(BOUNDS, {
    level: 'run',
    parent: undefined,
    spent: { ...NO_SPEND, turns: 9 },
    startedAt: 0,
    now: () => 0,
  })
  expect(budget.reserve({ turns: 1 }).ok).toBe(true)
  expect(budget.reserve({ turns: 1 }).ok).toBe(false)
})

test('boundsOfLimits() makes whole micro-USD', () => {
  const limits = {
    max_turns: 1,
    max_tokens: 2,
    max_cost_usd: 0.1 + 0.2,
    max_tool_calls: 3,
    max_wall: 4,
    max_output_bytes: 5,
    max_consecutive_errors: 6,
  }
  expect(boundsOfLimits(limits).costMicroUsd).toBe(300_000)
})
