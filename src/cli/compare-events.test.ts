import { expect, test } from 'vitest'
import { testRun } from '../../test/helpers/state.ts'
import type { Event, EventType, JsonObject } from '../schema/index.ts'
import { compareEvents } from './compare-events.ts'

type Said = [type: EventType, payload: JsonObject, stage?: string, attempt?: number]

function timeline(number: number, said: readonly Said[]): Event[] {
  const { id: run } = testRun(number)
  const hash = '0'.repeat(64)
  return said.map(([type, payload, stage, attempt], index) => ({
    v: 1,
    run,
    seq: index + 1,
    ts: number * 1000 + index,
    type,
    ...(stage !== undefined && { stage, attempt: attempt ?? 1 }),
    payload,
    volatile: { number },
    prev: hash,
    replayHash: hash,
    hash,
  }))
}

const END = (verdict: string): Said => ['step_completed', { verdict }, 'tests']
const BASE: Said[] = [
  ['run_created', { task: 'x', policy: 'a' }],
  ['step_started', { base_tree: 't' }, 'tests'],
  ['command_completed', { exit_code: 0 }, 'tests'],
  END('succeeded'),
]

test('compareEvents() finds no difference in times, ids and hashes of another version', () => {
  const other = timeline(2, [['run_created', { task: 'x', policy: 'b' }], ...BASE.slice(1)])
  expect(compareEvents(timeline(1, BASE), other)).toEqual({
    same: true,
    stages: [{ attempt: 'tests.1', verdicts: ['succeeded', 'succeeded'] }],
    first: null,
    differing: 0,
  })
})

test('compareEvents() names the first event that differs, and its members', () => {
  const failing: Said[] = [
    ...BASE.slice(0, 2),
    ['command_completed', { exit_code: 1 }, 'tests'],
    END('failed'),
  ]
  const { first, differing, stages } = compareEvents(timeline(1, BASE), timeline(2, failing))
  expect(first).toEqual({
    seqs: [3, 3],
    type: 'command_completed',
    stage: 'tests',
    attempt: 1,
    members: [{ name: 'exit_code', values: [0, 1] }],
  })
  expect(differing).toBe(2)
  expect(stages).toEqual([{ attempt: 'tests.1', verdicts: ['succeeded', 'failed'] }])
})

test('compareEvents() goes on after an event that one run alone has', () => {
  const more: Said[] = [...BASE.slice(0, 2), ['notice', { message: 'm' }], ...BASE.slice(2)]
  const compared = compareEvents(timeline(1, BASE), timeline(2, more))
  expect(compared).toMatchObject({ differing: 1, first: { seqs: [null, 3], type: 'notice' } })
})

test('compareEvents() tells of attempts that one run alone has', () => {
  const again: Said[] = [...BASE, ['step_completed', { verdict: 'failed' }, 'fix', 2]]
  const { stages } = compareEvents(timeline(1, again), timeline(2, BASE))
  expect(stages).toContainEqual({ attempt: 'fix.2', verdicts: ['failed', null] })
})
