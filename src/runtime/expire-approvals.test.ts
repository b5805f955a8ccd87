import { expect, test } from 'vitest'
import { countingIds, openTestState, seedRun } from '../../test/helpers/state.ts'
import { createRedactor, createTimeline } from '../events/index.ts'
import { ApprovalId, hashJson, type Run, type RunId } from '../schema/index.ts'
import { decideApproval, getRun, insertApproval, readEvents, type State } from '../state/index.ts'
import { expireApprovals, keepDeadlines } from './expire-approvals.ts'

const SECOND = 1000

function openWorld() {
  const state = openTestState()
  const clock = { now: 100 * SECOND }
  const now = () => clock.now
  const redactor = createRedactor([])
  const timeline = createTimeline({ state, now, redactorOf: () => redactor, mirror: undefined })
  const newId = countingIds()
  const waits = (number: number, expiresAt: number, run: Partial<Run> = {}): RunId => {
    const { id } = seedRun(state, number, { status: 'awaiting_approval', startedAt: 1, ...run })
    insertApproval(state.db, {
      id: ApprovalId.parse(newId('appr')),
      runId: id,
      stage: 'command',
      capability: 'shell_exec',
      level: 'risky',
      requestHash: hashJson(number),
      request: {},
      status: 'pending',
      createdAt: 1,
      expiresAt,
    })
    return id
  }
  const deps = { state, timeline, now, redact: (text: string) => text }
  return { state, clock, deps, waits, [Symbol.dispose]: () => state[Symbol.dispose]() }
}

const statusOf = (state: State, id: RunId) => getRun(state.db, id).status

test('expireApprovals() ends runs at their time, and says when the next one is due', () => {
  using world = openWorld()
  const { state, deps, clock } = world
  const first = world.waits(1, 110 * SECOND)
  const second = world.waits(2, 120 * SECOND)
  expect(expireApprovals(deps)).toBe(110 * SECOND)
  expect(statusOf(state, first)).toBe('awaiting_approval')
  clock.now = 110 * SECOND
  expect(expireApprovals(deps)).toBe(120 * SECOND)
  expect(getRun(state.db, first)).toMatchObject({ status: 'failed', reason: 'approval_expired' })
  expect(statusOf(state, second)).toBe('awaiting_approval')
  const events = readEvents(state.db, first, { after: 0, limit: 10 })
  expect(events.at(-1)).toMatchObject({ type: 'run_completed' })
  clock.now = 120 * SECOND
  expect(expireApprovals(deps)).toBeUndefined()
})

test('expireApprovals() leaves a run that a process has taken over, and one with time left', () => {
  using world = openWorld()
  const { state, deps } = world
  const owned = world.waits(1, 50 * SECOND, { owner: '1:1:1' })
  const open = world.waits(2, 50 * SECOND)
  insertApproval(state.db, {
    id: ApprovalId.parse('appr_zzzzzzzzzzzzzzzz'),
    runId: open,
    stage: 'command',
    capability: 'shell_exec',
    level: 'risky',
    requestHash: hashJson('other'),
    request: {},
    status: 'pending',
    createdAt: 1,
    expiresAt: 200 * SECOND,
  })
  expect(expireApprovals(deps)).toBe(200 * SECOND)
  expect([owned, open].map((id) => statusOf(state, id))).toEqual([
    'awaiting_approval',
    'awaiting_approval',
  ])
})

test('expireApprovals() lets an answer that nobody used expire with its request', () => {
  using world = openWorld()
  const { state, deps, clock } = world
  const id = world.waits(1, 110 * SECOND)
  const vote = { decision: 'approved', reason: undefined, by: 'ann', now: clock.now } as const
  decideApproval(state.db, ApprovalId.parse('appr_0000000000000001'), vote)
  expect(expireApprovals(deps)).toBe(110 * SECOND)
  clock.now = 111 * SECOND
  expireApprovals(deps)
  expect(statusOf(state, id)).toBe('failed')
})

test('keepDeadlines() looks again at the time that is due, whatever fails, until it is stopped', async () => {
  const stop = new AbortController()
  const looks: number[] = []
  const warnings: string[] = []
  const started = performance.now()
  await keepDeadlines(
    {
      expire() {
        looks.push(performance.now() - started)
        if (looks.length === 3) stop.abort()
        if (looks.length === 1) return started + 20
        throw new Error('no state')
      },
    },
    {
      log: {
        info: () => {},
        warn(line) {
          warnings.push(line)
          stop.abort()
        },
      },
      signal: stop.signal,
      now: () => performance.now(),
    },
  )
  expect(looks[1]).toBeGreaterThanOrEqual(20)
  expect(warnings).toEqual(['Cannot look for expired approvals: no state'])
})
