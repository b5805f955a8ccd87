import { describe, expect, test } from 'vitest'
import {
  BASE_TREE,
  dyingState,
  inspect,
  openWorld,
  type Play,
  treeOf,
  type World,
} from '../../test/helpers/engine-run.ts'
import { OpenExecError } from '../schema/index.ts'
import { getRun, listSteps } from '../state/index.ts'

const ONE = `stages: [{ id: tests, type: deterministic, action: run_tests, retry_limit: 1 }]`
const THREE = `
stages:
  - { id: setup, type: deterministic, action: run_setup }
  - { id: lint, type: deterministic, action: run_linters, on_failure: tests }
  - { id: tests, type: deterministic, action: run_tests }
`

const lost = () => new OpenExecError('sandbox_lost', 'Cannot go on: the sandbox "sbx_1" is gone')

describe('executeRun()', () => {
  test('executeRun() ends a run whose stages succeed, and tells of it last and once', async () => {
    using world = openWorld(THREE)
    await expect(world.execute()).resolves.toMatchObject({ status: 'succeeded' })
    const { run, chain, completed, last } = inspect(world)
    expect([chain, completed, last]).toEqual([{ ok: true, complete: true }, 1, 'run_completed'])
    expect(run.headTree).toBe(treeOf(`${treeOf(`${treeOf(`${BASE_TREE} setup`)} lint`)} tests`))
    expect(world.log.at(-1)).toBe('close')
  })

  test('executeRun() repeats a crash from the tree before it, and gives up at the limit', async () => {
    using world = openWorld(ONE)
    const run = await world.execute({ plays: { tests: { throws: lost() } } })
    expect(run).toMatchObject({ status: 'failed', reason: 'sandbox_lost' })
    expect(world.ends()).toEqual(['tests.1 error sandbox_lost', 'tests.2 error sandbox_lost'])
    expect(world.log).toContain(`restore ${BASE_TREE.slice(0, 7)}`)
  })

  test('executeRun() restores the tree for what follows a stage nobody could judge', async () => {
    using world = openWorld(THREE)
    const full = new OpenExecError('sandbox_lost', 'Full', { details: { reason: 'disk_limit' } })
    await world.execute({ plays: { lint: { throws: full } } })
    expect(world.ends()).toEqual([
      'setup.1 succeeded',
      'lint.1 failed disk_limit',
      'tests.1 succeeded',
    ])
    const afterSetup = treeOf(`${BASE_TREE} setup`)
    expect(world.log).toContain(`restore ${afterSetup.slice(0, 7)}`)
    expect(listSteps(world.state.db, world.run.id).at(-1)?.baseTree).toBe(afterSetup)
  })

  test('executeRun() lets a violation outrank success, keeps its tree and ends blocked', async () => {
    using world = openWorld(THREE)
    const plays = { lint: { verdict: 'succeeded', violations: ['.github/x (no)'] } } as const
    const run = await world.execute({ plays })
    expect(run).toMatchObject({ status: 'failed', reason: 'policy_violation' })
    expect(run.headTree).toBe(treeOf(`${treeOf(`${BASE_TREE} setup`)} lint`))
    expect(world.ends().at(-1)).toBe('lint.1 blocked policy_violation')
  })

  test('executeRun() keeps the violation of a stage that was cancelled at the same time', async () => {
    using world = openWorld(ONE)
    const stop = new AbortController()
    const plays = { tests: { verdict: 'succeeded', violations: ['.git/x'] } } as const
    const environment = { close: async () => stop.abort() }
    const run = await world.execute({ plays, environment, signal: stop.signal })
    expect(run).toMatchObject({ status: 'failed', reason: 'policy_violation' })
  })

  test('executeRun() stores no secret, no control character and no endless text of a stage', async () => {
    using world = openWorld(ONE)
    const detail = `\u001b[2J\u202Etoken hunter2-hunter2\n${'x'.repeat(10_000)}`
    const run = await world.execute({
      plays: { tests: { verdict: 'failed', reason: 'tests_failed', detail } },
    })
    expect(run.detail).toMatch(/^\uFFFD\[2J\uFFFDtoken \*\*\* x+…$/)
    expect(run.detail?.length).toBeLessThanOrEqual(2000)
    expect(JSON.stringify(world.events())).not.toMatch(/hunter2-hunter2|\\u001b|\u202E/)
  })

  test('executeRun() ends a run whose frozen documents are damaged', async () => {
    using world = openWorld(ONE)
    const damaged = new OpenExecError('state_corrupt', 'Cannot go on: damaged')
    const run = await world.execute({ load: () => Promise.reject(damaged) })
    expect(run).toMatchObject({ status: 'failed', reason: 'state_failed' })
    expect(inspect(world)).toMatchObject({ completed: 1, last: 'run_completed' })
  })

  test('executeRun() leaves a run alone that cannot go on here', async () => {
    using world = openWorld(ONE)
    const other = new OpenExecError('conflict', 'Cannot go on: other tools')
    await expect(world.execute({ load: () => Promise.reject(other) })).rejects.toBe(other)
    expect(getRun(world.state.db, world.run.id).status).toBe('queued')
    expect(world.events()).toEqual([])
  })

  test('executeRun() refuses a run that has ended', async () => {
    using world = openWorld(ONE)
    await world.execute()
    await expect(world.execute()).rejects.toMatchObject({ code: 'conflict' })
    expect(inspect(world)).toMatchObject({ completed: 1, last: 'run_completed' })
  })

  test('executeRun() closes what it opened and says what could not be removed', async () => {
    using world = openWorld(ONE)
    const environment = { close: () => Promise.reject(new Error('engine gone')) }
    await expect(world.execute({ environment })).resolves.toMatchObject({ status: 'succeeded' })
    expect(world.events().at(-2)).toMatchObject({
      type: 'notice',
      payload: { kind: 'left_behind' },
      volatile: { why: 'engine gone' },
    })
  })
})

describe('executeRun() told to stop', () => {
  const reasons = [
    ['cancelled', new OpenExecError('cancelled', 'Cancelled'), 'cancelled', 'cancelled'],
    ['the deadline', new OpenExecError('timed_out', 'Too long'), 'failed', 'wall_limit'],
    ['a plain abort', undefined, 'cancelled', 'cancelled'],
  ] as const
  for (const [name, why, status, reason] of reasons)
    test(`executeRun() ends ${status} (${reason}) by ${name} in the middle of a stage`, async () => {
      using world = openWorld(THREE)
      const stop = new AbortController()
      const plays = {
        lint: {
          perform: () => {
            stop.abort(why)
            return Promise.reject(new OpenExecError('cancelled', 'Cancelled command'))
          },
        },
      }
      const run = await world.execute({ plays, signal: stop.signal })
      expect(run).toMatchObject({ status, reason })
      expect(world.ends()).toHaveLength(2)
      expect(world.log.at(-1)).toBe('close')
    })

  test('executeRun() opens nothing when it is told to stop before it begins', async () => {
    using world = openWorld(ONE)
    await world.execute({ signal: AbortSignal.abort(new OpenExecError('cancelled', 'No')) })
    expect(world.log).toEqual([])
    expect(inspect(world).run).toMatchObject({ status: 'cancelled', reason: 'cancelled' })
  })

  test('executeRun() tells the time of a stage from the time of the run', async () => {
    using world = openWorld(ONE)
    const plays = { tests: { throws: new OpenExecError('timed_out', 'Stage too long') } }
    const run = await world.execute({ plays })
    expect(run).toMatchObject({ status: 'failed', reason: 'timed_out' })
    expect(world.ends()).toEqual(['tests.1 timed_out timed_out', 'tests.2 timed_out timed_out'])
  })

  test('executeRun() begins no further stage after a stop, and lets the last one count', async () => {
    using world = openWorld(THREE)
    const stop = new AbortController()
    const checkpoint = async () => {
      stop.abort(new OpenExecError('cancelled', 'Cancelled'))
      return { tree: BASE_TREE, commit: undefined, changed: 0, diff: undefined, violations: [] }
    }
    const run = await world.execute({ environment: { checkpoint }, signal: stop.signal })
    expect(run.status).toBe('cancelled')
    expect(world.ends()).toEqual(['setup.1 succeeded'])
  })
})

describe('executeRun() waiting for a person', () => {
  const asks = { verdict: 'awaiting_approval', reason: 'approval_required' } as const

  test('executeRun() stops, and goes on with the same stage from the tree it began with', async () => {
    using world = openWorld(THREE)
    const first = await world.execute({ plays: { 'lint.1': asks } })
    expect(first).toMatchObject({ status: 'awaiting_approval', reason: 'approval_required' })
    expect(inspect(world)).toMatchObject({ completed: 0, last: 'run_paused' })
    const afterSetup = treeOf(`${BASE_TREE} setup`)
    expect(first.headTree).toBe(afterSetup)
    await world.execute({})
    const [, waited, again] = listSteps(world.state.db, world.run.id)
    expect([waited?.verdict, again?.attempt, again?.baseTree]).toEqual([
      'awaiting_approval',
      2,
      afterSetup,
    ])
    expect(inspect(world)).toMatchObject({ completed: 1, chain: { ok: true, complete: true } })
  })

  test('executeRun() does not count the wait against the deadline, but counts a pause', async () => {
    using world = openWorld(ONE)
    let time = 1_000_000
    const now = () => time
    const first = await world.execute({ plays: { tests: asks }, now })
    expect(first.deadlineAt).toBe(1_060_000)
    time += 500_000
    const second = await world.execute({ plays: { tests: asks }, now })
    expect(second.deadlineAt).toBe(1_560_000)
  })
})

describe('executeRun() after the death of its process', () => {
  test('executeRun() comes to the same end wherever the process died', async () => {
    const whole = await ended(THREE, Number.POSITIVE_INFINITY)
    for (let transactions = 0; transactions < whole.transactions; transactions++) {
      const { world, outcome } = await ended(THREE, transactions)
      using _ = world
      expect([transactions, outcome]).toEqual([transactions, whole.outcome])
    }
    whole.world[Symbol.dispose]()
  })

  async function ended(stages: string, transactions: number) {
    const world = openWorld(stages)
    const died = dyingState(world.state, transactions)
    const plays = playsOf(world)
    await world.execute({ plays, state: died.state }).catch(() => {})
    if (inspect(world).completed === 0) await world.execute({ plays })
    return { world, transactions: died.used(), outcome: outcomeOf(world) }
  }

  /** The linters crash once and then succeed, the tests fail. */
  function playsOf(world: World): Record<string, Play> {
    const hasCrashed = () =>
      listSteps(world.state.db, world.run.id).some(({ reason }) => reason === 'sandbox_lost')
    const end = (verdict: 'succeeded' | 'failed') => ({
      verdict,
      reason: undefined,
      detail: undefined,
      spent: undefined,
    })
    return {
      lint: {
        perform: () => (hasCrashed() ? Promise.resolve(end('succeeded')) : Promise.reject(lost())),
      },
      tests: { perform: () => Promise.resolve(end('failed')) },
    }
  }

  function outcomeOf(world: World) {
    const { run, chain, completed, last } = inspect(world)
    const steps = listSteps(world.state.db, run.id)
    const counted = steps.filter(({ reason }) => reason !== 'recovered')
    const started = world.events().filter(({ type }) => type === 'step_started').length
    const finished = world.events().filter(({ type }) => type === 'step_completed').length
    return {
      status: run.status,
      tree: run.headTree,
      ends: counted.map(({ stage, verdict, reason }) => [stage, verdict, reason]),
      open: steps.filter(({ verdict }) => verdict === undefined).length,
      unfinished: started - finished,
      chain,
      completed,
      last,
    }
  }
})
