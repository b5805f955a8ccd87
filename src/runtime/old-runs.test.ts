import { expect, test } from 'vitest'
import { type Run, RunId } from '../schema/index.ts'
import { chooseOldRuns, type Retention } from './old-runs.ts'

const NOW = 1_000_000
const ALL = { olderThanMs: NOW, keep: 0, maxRuns: undefined, maxBytes: undefined }

/** Newest first; `age` of the end, in `ms`. */
function run(number: number, age: number, more: Partial<Run> = {}): Run {
  return {
    id: RunId.parse(`run_${String(number).padStart(16, '0')}`),
    tenant: 'a',
    status: 'succeeded',
    createdAt: 0,
    endedAt: NOW - age,
    ...more,
    // Nothing else of a run is looked at.
  } as Run
}

const chosen = (runs: Run[], limits: Partial<Retention>) =>
  chooseOldRuns(runs, { ...ALL, ...limits }, { now: NOW, bytesOf: () => 10 }).map(({ id }) =>
    Number(id.slice(4)),
  )

test('chooseOldRuns() takes what is older, but for the newest that are kept', () => {
  const runs = [run(4, 1), run(3, 100), run(2, 200), run(1, 300)]
  expect(chosen(runs, { olderThanMs: 150 })).toEqual([2, 1])
  expect(chosen(runs, { olderThanMs: 150, keep: 3 })).toEqual([1])
  expect(chosen(runs, { olderThanMs: 0, keep: 0 })).toEqual([4, 3, 2, 1])
})

test('chooseOldRuns() takes what is too many and too much, whatever its age', () => {
  const runs = [run(4, 1), run(3, 2), run(2, 3), run(1, 4)]
  expect(chosen(runs, { maxRuns: 3, keep: 20 })).toEqual([1])
  expect(chosen(runs, { maxBytes: 25, keep: 20 })).toEqual([2, 1])
  expect(chosen(runs, { maxBytes: 5 })).toEqual([3, 2, 1])
  expect(chosen(runs, { maxRuns: 0 })).toEqual([4, 3, 2, 1])
})

test('chooseOldRuns() counts each tenant alone', () => {
  const runs = [run(4, 1), run(3, 2, { tenant: 'b' }), run(2, 3), run(1, 4, { tenant: 'b' })]
  expect(chosen(runs, { maxRuns: 1 })).toEqual([2, 1])
  expect(chosen(runs, { maxBytes: 15 })).toEqual([2, 1])
})

test('chooseOldRuns() neither takes nor counts what has not ended', () => {
  const open = ['queued', 'running', 'paused', 'awaiting_approval'] as const
  const runs = [...open.map((status, i) => run(i + 5, 999_999, { status })), run(1, 1)]
  expect(chosen(runs, { olderThanMs: 0, maxRuns: 0, maxBytes: 0 })).toEqual([1])
  expect(chosen(runs, { maxRuns: 1 })).toEqual([])
})
