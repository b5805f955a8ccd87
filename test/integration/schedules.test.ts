/** Schedules by a clock of the test's own, over a real database; what they start is only written. */
import { expect, onTestFinished, test } from 'vitest'
import {
  createScheduler,
  createSchedules,
  createTokens,
  LOCAL_CALLER,
} from '../../src/runtime/index.ts'
import { CreateSchedule, OpenExecError, RunId, type RunRequest } from '../../src/schema/index.ts'
import {
  insertRun,
  listAudit,
  listRuns,
  type State,
  startTick,
  transitionRun,
} from '../../src/state/index.ts'
import { countingIds, openTestState, seedRun, testRun } from '../helpers/state.ts'

const MINUTE = 60_000
const START = Date.parse('2026-03-02T12:00:30Z')
type Wish = Partial<Omit<CreateSchedule, 'run'>>

function world() {
  const state: State = openTestState()
  const clock = { now: START }
  const now = () => clock.now
  const newId = countingIds()
  const tokens = createTokens({ state, now, newId })
  const schedules = createSchedules({ state, now, newId, record: tokens.record })
  const { record: token } = tokens.create({ name: 'a', scopes: ['runs:create'] }, LOCAL_CALLER)
  const by = { tenant: 'default', actor: token.id, scopes: token.scopes, requestId: undefined }
  seedRun(state, 1, { status: 'succeeded', endedAt: 2 })
  onTestFinished(() => state[Symbol.dispose]())
  const asked: RunRequest[] = []
  const behaviour = { fails: undefined as OpenExecError | undefined, hangs: false }
  let number = 1
  const servers: { stop(): Promise<void> }[] = []
  onTestFinished(async () => void (await Promise.all(servers.map((each) => each.stop()))))
  const start = () => {
    const scheduler = createScheduler({
      state,
      now,
      tokens,
      requestOf: () => testRun(1).request,
      async submit(tenant, request, { tick, signal }) {
        asked.push(request)
        if (behaviour.fails) throw behaviour.fails
        // A process that is killed while it prepares a run.
        if (behaviour.hangs)
          await new Promise((_, reject) =>
            signal.addEventListener('abort', () => reject(signal.reason)),
          )
        number += 1
        const id = RunId.parse(`run_${String(number).padStart(16, '0')}`)
        return state.transact((tx) => {
          const run = testRun(number, { id, tenant, taskId: testRun(1).taskId })
          insertRun(tx, run)
          if (tick) startTick(tx, tick, { runId: id })
          return { run }
        })
      },
    })
    servers.push(scheduler)
    return scheduler
  }
  return {
    state,
    clock,
    tokens,
    schedules,
    token,
    by,
    asked,
    behaviour,
    start,
    add: (wish: Wish = {}) =>
      schedules.create(
        CreateSchedule.parse({
          name: 'nightly',
          cron: '* * * * *',
          run: { repo: { path: '/r' }, command: ['true'] },
          ...wish,
        }),
        by,
      ),
    outcomes: () =>
      schedules
        .get('nightly', by)
        .ticks.map(({ outcome }) => outcome)
        .reverse(),
    runs: () =>
      listRuns(state.db, { tenant: 'default', limit: 99, status: undefined, before: undefined })
        .length - 1,
    finish(index: number) {
      const run = schedules.get('nightly', by).ticks.filter(({ runId }) => runId)[index]?.runId
      if (run)
        transitionRun(state.db, run, {
          from: ['queued'],
          patch: { status: 'succeeded', endedAt: clock.now },
        })
    },
    async pass(scheduler: ReturnType<typeof createScheduler>, ms: number) {
      clock.now += ms
      scheduler.look()
      await scheduler.idle()
    },
  }
}

test('a tick becomes one run, at its moment and not before, however often it is looked', async () => {
  const all = world()
  const { nextAt } = all.add()
  expect(nextAt).toBe(START + 30_000)
  const scheduler = all.start()
  await all.pass(scheduler, 29_999)
  expect(all.runs()).toBe(0)
  await all.pass(scheduler, 1)
  await all.pass(scheduler, 0)
  await all.pass(scheduler, 1000)
  expect(all.runs()).toBe(1)
  expect(all.outcomes()).toEqual(['started'])
  all.finish(0)
  await all.pass(scheduler, MINUTE)
  expect(all.runs()).toBe(2)
  expect(scheduler.counts()).toEqual({ started: 2, missed: 0, overlapped: 0, failed: 0 })
})

test('a server that was killed between claim and run leaves a tick that has one run at most', async () => {
  const all = world()
  all.add()
  all.behaviour.hangs = true
  const killed = all.start()
  all.clock.now += 30_000
  killed.look()
  expect(all.outcomes()).toEqual(['claimed'])
  all.behaviour.hangs = false
  // The next one begins beside it, which is worse than any crash.
  const next = all.start()
  next.look()
  await next.idle()
  await killed.stop()
  expect(all.outcomes()).toEqual(['started'])
  expect(all.runs()).toBe(1)
})

test('two servers that look at once start one run', async () => {
  const all = world()
  all.add()
  const [one, two] = [all.start(), all.start()]
  all.clock.now += 30_000
  one.look()
  two.look()
  await Promise.all([one.idle(), two.idle()])
  expect(all.runs()).toBe(1)
})

test.each([
  ['skip', ['missed'], 0],
  ['run_once', ['started'], 1],
] as const)('ticks that came while no server was there: %s', async (missed, outcomes, runs) => {
  const all = world()
  all.add({ missed, cron: '0 * * * *' })
  await all.pass(all.start(), 5 * 60 * MINUTE + 40 * MINUTE)
  expect(all.outcomes()).toEqual(outcomes)
  expect(all.runs()).toBe(runs)
  const [tick] = all.schedules.get('nightly', all.by).ticks
  expect(new Date(tick?.tickAt ?? 0).toISOString()).toBe('2026-03-02T17:00:00.000Z')
  expect(all.schedules.get('nightly', all.by).nextAt).toBe(Date.parse('2026-03-02T18:00:00Z'))
})

test('a claimed tick of a dead server is given up later where ticks are not made up for', async () => {
  const all = world()
  all.add()
  all.behaviour.hangs = true
  const killed = all.start()
  await Promise.race([all.pass(killed, 30_000), Promise.resolve()])
  await killed.stop()
  all.clock.now += 10 * MINUTE
  all.start()
  expect(all.outcomes()).toEqual(['missed'])
})

test('a tick while the run before goes on is passed over', async () => {
  const all = world()
  all.add({ overlap: 'skip' })
  const scheduler = all.start()
  await all.pass(scheduler, 30_000)
  await all.pass(scheduler, MINUTE)
  all.finish(0)
  await all.pass(scheduler, MINUTE)
  expect(all.outcomes()).toEqual(['started', 'overlapped', 'started'])
})

test('with overlap queue one tick waits for the run before, and no more than one', async () => {
  const all = world()
  all.add({ overlap: 'queue' })
  const scheduler = all.start()
  for (const ms of [30_000, MINUTE, MINUTE]) await all.pass(scheduler, ms)
  expect(all.outcomes()).toEqual(['started', 'waiting', 'overlapped'])
  all.finish(0)
  await all.pass(scheduler, 1000)
  expect(all.outcomes()).toEqual(['started', 'started', 'overlapped'])
  expect(all.runs()).toBe(2)
})

test('a schedule whose token was revoked is paused, and says so', async () => {
  const all = world()
  const { id } = all.add()
  all.tokens.revoke(all.token.id, LOCAL_CALLER)
  await all.pass(all.start(), 30_000)
  expect(all.asked).toEqual([])
  expect(all.outcomes()).toEqual(['failed'])
  expect(all.schedules.get(id, all.by)).toMatchObject({
    pausedReason: `Token ${all.token.id} may not start runs any more`,
  })
  expect(all.schedules.get(id, all.by).nextAt).toBeUndefined()
  const audit = listAudit(all.state.db, { tenant: 'default', after: 0, limit: 99 })
  expect(audit.at(-1)).toMatchObject({ actor: 'server', action: 'schedule.pause', subject: id })
  // Somebody who may goes on with it, with rights of their own.
  all.schedules.resume(id, LOCAL_CALLER)
  await all.pass(all.start(), 2 * MINUTE)
  expect(all.runs()).toBe(1)
})

test('a token that lost its tenant or only reads starts nothing', async () => {
  const all = world()
  const reader = all.tokens.create({ name: 'r', scopes: ['runs:read'] }, LOCAL_CALLER).record
  const foreign = all.tokens.create({ name: 'f', scopes: ['admin'], tenant: 'b' }, LOCAL_CALLER)
  for (const actor of [reader.id, foreign.record.id, 'tok_zzzzzzzzzzzzzzzz', 'server']) {
    const { id } = all.schedules.create(
      CreateSchedule.parse({
        name: `by-${actor}`,
        cron: '* * * * *',
        run: { repo: { path: '/r' }, command: ['true'] },
      }),
      { ...all.by, actor },
    )
    await all.pass(all.start(), MINUTE)
    expect(all.schedules.get(id, all.by).pausedReason).toContain(actor)
  }
  expect(all.runs()).toBe(0)
})

test('what refuses a run is the outcome of its tick, and the next tick comes', async () => {
  const all = world()
  all.add()
  const scheduler = all.start()
  all.behaviour.fails = new OpenExecError('too_busy', 'Cannot take a run: too many wait')
  await all.pass(scheduler, 30_000)
  all.behaviour.fails = undefined
  await all.pass(scheduler, MINUTE)
  expect(all.outcomes()).toEqual(['failed', 'started'])
  expect(all.schedules.get('nightly', all.by).ticks[1]?.detail).toContain('too many wait')
})

test('a tick that comes while the server ends is left to the next one', async () => {
  const all = world()
  all.add()
  all.behaviour.fails = new OpenExecError('unavailable', 'Cannot take a run: the server is ending')
  await all.pass(all.start(), 30_000)
  expect(all.outcomes()).toEqual(['claimed'])
  all.behaviour.fails = undefined
  await all.start().idle()
  expect(all.outcomes()).toEqual(['started'])
})

test('a paused schedule starts nothing, and what was due meanwhile is not made up for', async () => {
  const all = world()
  all.add({ missed: 'run_once' })
  const scheduler = all.start()
  all.schedules.pause('nightly', all.by)
  await all.pass(scheduler, 10 * MINUTE)
  const { nextAt } = all.schedules.resume('nightly', all.by)
  expect(nextAt).toBe(START + 30_000 + 10 * MINUTE)
  await all.pass(scheduler, 1000)
  expect(all.runs()).toBe(0)
})

test('a clock that is set back starts nothing twice', async () => {
  const all = world()
  all.add()
  const scheduler = all.start()
  await all.pass(scheduler, 30_000)
  all.finish(0)
  await all.pass(scheduler, -10 * MINUTE)
  await all.pass(scheduler, 10 * MINUTE)
  expect(all.runs()).toBe(1)
  await all.pass(scheduler, MINUTE)
  expect(all.runs()).toBe(2)
})

test('a schedule that is removed while its run is prepared starts nothing', async () => {
  const all = world()
  all.add()
  const scheduler = all.start()
  all.clock.now += 30_000
  scheduler.look()
  all.schedules.remove('nightly', all.by)
  await scheduler.idle()
  expect(all.schedules.list(all.by)).toEqual([])
  expect(all.runs()).toBeLessThanOrEqual(1)
})

test('names are unique in a tenant, and nothing of another is found', () => {
  const all = world()
  const { id } = all.add()
  expect(() => all.add()).toThrow('there is one already')
  const stranger = { ...all.by, tenant: 'other' }
  expect(all.schedules.list(stranger)).toEqual([])
  for (const name of [id, 'nightly'])
    for (const attempt of ['get', 'remove', 'pause', 'resume'] as const)
      expect(() => all.schedules[attempt](name, stranger)).toThrow('Cannot find schedule')
  expect(all.schedules.get(id, all.by).pausedAt).toBeUndefined()
})
