import { expect, test } from 'vitest'
import { openTestState, seedRun, testRun } from '../../test/helpers/state.ts'
import { DEFAULT_TENANT, RunId } from '../schema/index.ts'
import { findRun } from './find-run.ts'
import {
  claimRun,
  getRun,
  insertRun,
  listRuns,
  listUnfinishedRuns,
  releaseRun,
  requestCancel,
  transitionRun,
  updateRun,
} from './runs.ts'

const id = testRun().id
const missing = RunId.parse('run_zzzzzzzzzzzzzzzz')

test('getRun() returns the run as it was inserted', () => {
  using state = openTestState()
  const run = seedRun(state, 1, {
    reason: 'cancelled',
    detail: 'By a person',
    baseCommit: 'a'.repeat(40),
    baseTree: 'b'.repeat(40),
    headTree: 'c'.repeat(40),
    policyHash: 'd'.repeat(64),
    owner: '1:2',
    startedAt: 5,
    deadlineAt: 9,
  })
  expect(getRun(state.db, run.id)).toEqual(run)
})

test('getRun() names the missing run', () => {
  using state = openTestState()
  expect(() => getRun(state.db, missing)).toThrow(`Cannot find run "${missing}"`)
})

test('insertRun() refuses a run without its task', () => {
  using state = openTestState()
  expect(() => insertRun(state.db, testRun())).toThrow('FOREIGN KEY')
})

test('insertRun() refuses an ended run without an end, and an end without being ended', () => {
  using state = openTestState()
  expect(() => seedRun(state, 1, { status: 'failed' })).toThrow('CHECK')
  expect(() => seedRun(state, 1, { status: 'running', endedAt: 3 })).toThrow('CHECK')
})

test('insertRun() refuses a reason that nobody knows', () => {
  using state = openTestState()
  const run = { ...testRun(), reason: 'bad_weather' }
  // Stands for a row written by something that does not keep to the schema.
  expect(() => seedRun(state, 1, run as never)).toThrow('FOREIGN KEY')
})

const ALL = { tenant: undefined, before: undefined } as const

test('listRuns() gives the newest first, at most limit, of one status when asked', () => {
  using state = openTestState()
  for (const number of [1, 2, 3]) seedRun(state, number)
  transitionRun(state.db, testRun(2).id, { from: ['queued'], patch: { status: 'running' } })
  const ids = (runs: { id: string }[]) => runs.map((run) => Number(run.id.slice(4)))
  expect(ids(listRuns(state.db, { ...ALL, limit: 10, status: undefined }))).toEqual([3, 2, 1])
  expect(ids(listRuns(state.db, { ...ALL, limit: 2, status: undefined }))).toEqual([3, 2])
  expect(ids(listRuns(state.db, { ...ALL, limit: 10, status: 'queued' }))).toEqual([3, 1])
})

test('listUnfinishedRuns() leaves out what has ended', () => {
  using state = openTestState()
  seedRun(state, 1, { status: 'succeeded', endedAt: 4 })
  seedRun(state, 2, { status: 'awaiting_approval' })
  expect(listUnfinishedRuns(state.db).map((run) => run.id)).toEqual([testRun(2).id])
})

test('updateRun() changes only what it is given, and clears what is null', () => {
  using state = openTestState()
  const run = seedRun(state, 1, { detail: 'x', deadlineAt: 7 })
  updateRun(state.db, id, { detail: null, headTree: 'a'.repeat(40) })
  const { detail: _, ...rest } = run
  expect(getRun(state.db, id)).toEqual({ ...rest, headTree: 'a'.repeat(40) })
  expect(() => updateRun(state.db, missing, { detail: 'x' })).toThrow('Cannot find run')
})

test('transitionRun() moves a run once', () => {
  using state = openTestState()
  seedRun(state)
  const start = { from: ['queued'], patch: { status: 'running', startedAt: 3 } } as const
  expect(transitionRun(state.db, id, start)).toBe(true)
  expect(transitionRun(state.db, id, start)).toBe(false)
  expect(getRun(state.db, id)).toMatchObject({ status: 'running', startedAt: 3 })
})

test('claimRun() lets exactly one process have a run', () => {
  using state = openTestState()
  seedRun(state)
  const nobody = undefined
  expect(claimRun(state.db, id, { owner: '1:1', expectedOwner: nobody })).toBe(true)
  expect(claimRun(state.db, id, { owner: '2:2', expectedOwner: nobody })).toBe(false)
  expect(claimRun(state.db, id, { owner: '2:2', expectedOwner: '1:1' })).toBe(true)
  expect(releaseRun(state.db, id, { owner: '1:1' })).toBe(false)
  expect(releaseRun(state.db, id, { owner: '2:2' })).toBe(true)
  expect(getRun(state.db, id).owner).toBeUndefined()
})

test('claimRun() refuses a run that has ended', () => {
  using state = openTestState()
  seedRun(state, 1, { status: 'cancelled', endedAt: 2 })
  expect(claimRun(state.db, id, { owner: '1:1', expectedOwner: undefined })).toBe(false)
})

test('requestCancel() asks once, and not of an ended run', () => {
  using state = openTestState()
  seedRun(state)
  seedRun(state, 2, { status: 'succeeded', endedAt: 2 })
  expect(requestCancel(state.db, id)).toBe(true)
  expect(requestCancel(state.db, id)).toBe(false)
  expect(getRun(state.db, id).cancelRequested).toBe(true)
  expect(requestCancel(state.db, testRun(2).id)).toBe(false)
  expect(() => requestCancel(state.db, missing)).toThrow('Cannot find run')
})

test('findRun() takes a unique prefix with or without "run_"', () => {
  using state = openTestState()
  seedRun(state, 1, { id: RunId.parse('run_ab00000000000000') })
  seedRun(state, 2, { id: RunId.parse('run_ac00000000000000') })
  expect(findRun(state.db, DEFAULT_TENANT, 'ab').id).toBe('run_ab00000000000000')
  expect(findRun(state.db, DEFAULT_TENANT, 'run_ac').id).toBe('run_ac00000000000000')
  expect(findRun(state.db, DEFAULT_TENANT, 'run_ac00000000000000').id).toBe('run_ac00000000000000')
  expect(findRun(state.db, DEFAULT_TENANT, ' AB ').id).toBe('run_ab00000000000000')
})

test('findRun() lists the candidates of an ambiguous prefix', () => {
  using state = openTestState()
  for (const number of [1, 2, 3, 4, 5, 6]) seedRun(state, number)
  expect(() => findRun(state.db, DEFAULT_TENANT, 'run_0000')).toThrow(
    expect.objectContaining({
      code: 'bad_request',
      message: expect.stringContaining('run_0000000000000006, '),
    }),
  )
})

test.each(['', 'run_', '%', "' or 1=1", 'run_ab~', '../x', 'x'.repeat(40)])(
  'findRun() refuses "%s" as a prefix',
  (prefix) => {
    using state = openTestState()
    seedRun(state)
    expect(() => findRun(state.db, DEFAULT_TENANT, prefix)).toThrow(
      expect.objectContaining({ code: 'bad_request' }),
    )
  },
)

test('findRun() and listRuns() know nothing of another tenant', () => {
  using state = openTestState()
  seedRun(state, 1, { tenant: 'other' })
  expect(() => findRun(state.db, DEFAULT_TENANT, testRun(1).id)).toThrow('Cannot find run')
  expect(findRun(state.db, 'other', testRun(1).id).tenant).toBe('other')
  const options = { ...ALL, limit: 10, status: undefined }
  expect(listRuns(state.db, { ...options, tenant: DEFAULT_TENANT })).toEqual([])
  expect(listRuns(state.db, { ...options, tenant: 'other' })).toHaveLength(1)
})

test('findRun() says not_found for a prefix that fits nothing', () => {
  using state = openTestState()
  seedRun(state)
  expect(() => findRun(state.db, DEFAULT_TENANT, 'zz')).toThrow(
    expect.objectContaining({ code: 'not_found' }),
  )
})
