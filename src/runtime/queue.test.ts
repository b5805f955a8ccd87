import { expect, test } from 'vitest'
import { openTestState, seedRun, testRun } from '../../test/helpers/state.ts'
import type { RunId } from '../schema/index.ts'
import { countQueued, enqueue, getRun, type State, transitionRun } from '../state/index.ts'
import { createQueue, type Queue } from './queue.ts'

interface World {
  queue: Queue
  /** Begun and not ended, in the order of their beginning. */
  begun: RunId[]
  end(number: number): Promise<void>
  now: { ms: number }
}

const LIMITS = { waiting: 100, waitingOfTenant: 50, runningOfTenant: 2 }

function world(state: State, { slots = 2, limits = LIMITS } = {}): World {
  const begun: RunId[] = []
  const ends = new Map<RunId, () => void>()
  const now = { ms: 1000 }
  const queue = createQueue({
    state,
    now: () => now.ms,
    capacity: { max: slots, admits: (running) => running < slots },
    limits,
    execute: (id) => {
      begun.push(id)
      return new Promise((resolve) => ends.set(id, resolve))
    },
    end: (tx, id, { status, reason }) => {
      const patch = { status, reason: reason ?? null, endedAt: now.ms }
      transitionRun(tx, id, { from: ['queued'], patch })
    },
  })
  return {
    queue,
    begun,
    now,
    async end(number) {
      ends.get(testRun(number).id)?.()
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
}

function wait(
  state: State,
  number: number,
  place: { tenant?: string; priority?: number; ttl?: number } = {},
): void {
  const { tenant = 'one', priority = 0, ttl } = place
  const { id } = seedRun(state, number, { tenant })
  const expiresAt = ttl === undefined ? {} : { expiresAt: 1000 + ttl }
  enqueue(state.db, { runId: id, tenant, priority, enqueuedAt: 1000, ...expiresAt })
}

const ids = (...numbers: number[]) => numbers.map((number) => testRun(number).id)

test('createQueue() begins the highest priority of a tenant first, then the oldest', async () => {
  using state = openTestState()
  for (const [number, priority] of [
    [1, 0],
    [2, 5],
    [3, 5],
    [4, -5],
  ] as const)
    wait(state, number, { priority })
  const { queue, begun, end } = world(state, { slots: 1 })
  queue.poke()
  for (const number of [2, 3, 1]) await end(number)
  expect(begun).toEqual(ids(2, 3, 1, 4))
  queue.stop()
})

test('createQueue() lets tenants take turns whatever one of them has waiting', async () => {
  using state = openTestState()
  for (let number = 1; number <= 20; number++) wait(state, number, { priority: 100 })
  for (const number of [21, 22]) wait(state, number, { tenant: 'two', priority: -100 })
  const { queue, begun, end } = world(state, { slots: 1 })
  queue.poke()
  for (const number of [1, 21, 2, 22]) await end(number)
  expect(begun).toEqual(ids(1, 21, 2, 22, 3))
  queue.stop()
})

test('createQueue() keeps to the number of runs at once, of all and of a tenant', async () => {
  using state = openTestState()
  for (let number = 1; number <= 6; number++) wait(state, number)
  wait(state, 7, { tenant: 'two' })
  const { queue, begun, end } = world(state, { slots: 4 })
  queue.poke()
  expect(begun).toEqual(ids(1, 7, 2))
  expect(queue.counts()).toEqual({ waiting: 4, running: 3, capacity: 4 })
  await end(1)
  expect(begun).toEqual(ids(1, 7, 2, 3))
  queue.stop()
})

test('createQueue() passes over what was cancelled while it waited', () => {
  using state = openTestState()
  for (const number of [1, 2]) wait(state, number)
  const patch = { status: 'cancelled', endedAt: 1 } as const
  transitionRun(state.db, testRun(1).id, { from: ['queued'], patch })
  const { queue, begun } = world(state)
  queue.poke()
  expect(begun).toEqual(ids(2))
  expect(countQueued(state.db)).toEqual(new Map())
  queue.stop()
})

test('createQueue() ends what waited longer than it may, and nothing else', () => {
  using state = openTestState()
  wait(state, 1)
  wait(state, 2, { ttl: 500 })
  wait(state, 3, { ttl: 5000 })
  const { queue, now } = world(state, { slots: 1 })
  queue.poke()
  now.ms += 600
  queue.poke()
  expect(getRun(state.db, testRun(2).id)).toMatchObject({
    status: 'failed',
    reason: 'queue_expired',
  })
  expect(getRun(state.db, testRun(3).id).status).toBe('queued')
  queue.stop()
})

test('createQueue() refuses with a time to come back when it is full, or full for a tenant', () => {
  using state = openTestState()
  wait(state, 1)
  wait(state, 2, { tenant: 'two' })
  const busy = expect.objectContaining({ code: 'too_busy', details: { retry_after: 5 } })
  const narrow = world(state, { slots: 0, limits: { ...LIMITS, waitingOfTenant: 1 } }).queue
  expect(() => narrow.admit('one')).toThrow(busy)
  expect(() => narrow.admit('three')).not.toThrow()
  const full = world(state, { slots: 0, limits: { ...LIMITS, waiting: 2 } }).queue
  expect(() => full.admit('three')).toThrow(busy)
  full.stop()
  narrow.stop()
  expect(() => narrow.admit('three')).toThrow(expect.objectContaining({ code: 'unavailable' }))
})

test('createQueue() begins nothing after stop(), and idle() waits for what goes on', async () => {
  using state = openTestState()
  for (const number of [1, 2]) wait(state, number)
  const { queue, begun, end } = world(state, { slots: 1 })
  queue.poke()
  queue.stop()
  let idle = false
  const settled = queue.idle().then(() => (idle = true))
  await Promise.resolve()
  expect(idle).toBe(false)
  await end(1)
  await settled
  expect(begun).toEqual(ids(1))
  expect(countQueued(state.db).get('one')).toBe(1)
})
