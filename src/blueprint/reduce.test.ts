import { describe, expect, test } from 'vitest'
import { testRegistry } from '../../test/helpers/blueprints.ts'
import type { Reason, Verdict } from '../schema/index.ts'
import type { Plan } from './plan.ts'
import { readBlueprint } from './read.ts'
import { type Command, type EngineState, initialState, reduce } from './reduce.ts'

const LOOP = `
defaults: { max_step_retries: 1 }
stages:
  - { id: context, type: deterministic, action: build_context_pack, outputs: [context_pack] }
  - { id: implement, type: agent, goal: g, inputs: [context_pack], outputs: [patch], on_success: lint }
  - { id: lint, type: deterministic, action: run_linters, inputs: [patch], outputs: [lint_report], on_success: tests, on_failure: fix }
  - { id: fix, type: agent, goal: g, inputs: [patch, lint_report], outputs: [patch], retry_limit: 2, on_success: lint }
  - { id: tests, type: deterministic, action: run_tests, retry_limit: 0 }
`

type Ending = Verdict | [Verdict, Reason] | [Verdict, Reason, string]

describe('reduce() routes', () => {
  test('reduce() begins with the first stage and follows the list to done', () => {
    const { ran, last } = play(LOOP, 'succeeded', 'succeeded', 'succeeded', 'succeeded')
    expect(ran).toEqual(['context.1', 'implement.1', 'lint.1', 'tests.1'])
    expect(last).toEqual({ type: 'end', status: 'succeeded' })
  })

  test('reduce() routes a failure at once, without a retry', () => {
    const { ran, last } = play(LOOP, 'succeeded', 'succeeded', ['failed', 'lint_failed'])
    expect(ran).toEqual(['context.1', 'implement.1', 'lint.1', 'fix.1'])
    expect(last).toMatchObject({ type: 'run_stage', stage: 'fix' })
  })

  test('reduce() ends with the reason and detail of the stage that led to fail', () => {
    const { last } = play(LOOP, 'succeeded', ['failed', 'agent_failed', 'It gave up'])
    expect(last).toEqual({
      type: 'end',
      status: 'failed',
      reason: 'agent_failed',
      detail: 'It gave up',
    })
  })

  test('reduce() takes a skip for success where nothing else is said', () => {
    const { ran, last } = play(
      LOOP,
      'succeeded',
      'succeeded',
      ['skipped', 'not_configured'],
      ['skipped', 'not_configured'],
    )
    expect(ran.at(-1)).toBe('tests.1')
    expect(last).toEqual({ type: 'end', status: 'succeeded' })
  })

  test('reduce() takes on_skipped, and the run keeps why it was skipped', () => {
    const text = `
stages:
  - { id: tests, type: deterministic, action: run_tests, on_skipped: report, on_success: done }
  - { id: report, type: deterministic, action: summarize_run, on_success: fail }
`
    const { ran, last } = play(text, ['skipped', 'not_configured'], 'succeeded')
    expect(ran).toEqual(['tests.1', 'report.1'])
    expect(last).toEqual({ type: 'end', status: 'failed', reason: 'not_configured' })
  })

  test('reduce() remembers a failure behind stages that succeed, and forgets one that was put right', () => {
    const text = `
stages:
  - { id: lint, type: deterministic, action: run_linters, on_success: tests, on_failure: fix }
  - { id: fix, type: agent, goal: g, on_success: lint }
  - { id: tests, type: deterministic, action: run_tests, on_success: done, on_failure: report }
  - { id: report, type: deterministic, action: summarize_run, on_success: fail }
`
    const first = play(text, ['failed', 'lint_failed'], 'succeeded', 'succeeded')
    expect(first.state.problem).toBeNull()
    const { last } = play(
      text,
      ['failed', 'lint_failed'],
      'succeeded',
      'succeeded',
      ['failed', 'tests_failed'],
      'succeeded',
    )
    expect(last).toEqual({ type: 'end', status: 'failed', reason: 'tests_failed' })
  })

  test('reduce() says so when a route leads to fail and nothing went wrong', () => {
    const text =
      '\nstages:\n  - { id: tests, type: deterministic, action: run_tests, on_success: fail, on_failure: done }\n'
    expect(play(text, 'succeeded').last).toEqual({
      type: 'end',
      status: 'failed',
      detail: 'The route of stage "tests" leads to "fail"',
    })
    expect(play(text, 'failed').last).toEqual({ type: 'end', status: 'succeeded' })
  })
})

describe('reduce() retries', () => {
  test.each(['error', 'timed_out'] as const)(
    'reduce() retries %s of a deterministic stage, then routes',
    (verdict) => {
      const { ran, last } = play(
        LOOP,
        [verdict, 'sandbox_lost'],
        [verdict, 'sandbox_lost', 'Twice'],
      )
      expect(ran).toEqual(['context.1', 'context.2'])
      expect(last).toEqual({
        type: 'end',
        status: 'failed',
        reason: 'sandbox_lost',
        detail: 'Twice',
      })
    },
  )

  test('reduce() counts the errors of a deterministic stage over the whole run', () => {
    const { ran, last } = play(
      LOOP,
      'succeeded',
      'succeeded',
      'error',
      ['failed', 'lint_failed'],
      'succeeded',
      ['error', 'disk_limit'],
    )
    expect(ran).toEqual([
      'context.1',
      'implement.1',
      'lint.1',
      'lint.2',
      'fix.1',
      'lint.3',
      'fix.2',
    ])
    expect(last).toMatchObject({ stage: 'fix', attempt: 2, entry: 2 })
  })

  test('reduce() does not retry where the limit is 0', () => {
    const { last } = play(LOOP, 'succeeded', 'succeeded', 'succeeded', ['timed_out', 'timed_out'])
    expect(last).toEqual({ type: 'end', status: 'failed', reason: 'timed_out' })
  })

  test('reduce() counts each attempt of an agent stage as an entry, and routes when they are used up', () => {
    const { ran, last } = play(LOOP, 'succeeded', ['error', 'model_error'])
    expect(ran).toEqual(['context.1', 'implement.1'])
    expect(last).toEqual({ type: 'end', status: 'failed', reason: 'model_error' })
    const retried = play(LOOP, 'succeeded', 'succeeded', 'failed', ['error', 'model_error'])
    expect(retried.last).toEqual({ type: 'run_stage', stage: 'fix', attempt: 2, entry: 2 })
  })

  test('reduce() ends with retry_exhausted when a route enters an agent stage once too often', () => {
    const fails: Ending = ['failed', 'lint_failed', '3 problems']
    const { ran, last } = play(
      LOOP,
      'succeeded',
      'succeeded',
      fails,
      'succeeded',
      fails,
      'succeeded',
      fails,
    )
    expect(ran.filter((each) => each.startsWith('fix'))).toEqual(['fix.1', 'fix.2'])
    expect(last).toEqual({
      type: 'end',
      status: 'failed',
      reason: 'retry_exhausted',
      detail:
        'Stage "fix" may be entered 2 times; last "lint" ended failed (lint_failed: 3 problems)',
    })
  })

  test('reduce() repeats what a crash of OpenExec cut short without counting it against the stage', () => {
    const { ran, last } = play(
      LOOP,
      'succeeded',
      ['error', 'recovered'],
      ['error', 'recovered'],
      'succeeded',
    )
    expect(ran).toEqual(['context.1', 'implement.1', 'implement.2', 'implement.3', 'lint.1'])
    expect(last).toMatchObject({ stage: 'lint' })
  })

  test('reduce() ends with stage_execution_limit whatever is left to do', () => {
    const text = `\nlimits: { max_stage_executions: 4 }${LOOP}`
    const { ran, last } = play(
      text,
      ...Array.from({ length: 9 }, (): Ending => ['error', 'recovered']),
    )
    expect(ran).toHaveLength(4)
    expect(last).toMatchObject({ type: 'end', status: 'failed', reason: 'stage_execution_limit' })
  })

  test('reduce() ends where a crashed stage left its successor without inputs', () => {
    const { last } = play(LOOP, 'succeeded', 'succeeded', 'error', [
      'error',
      'sandbox_lost',
      'It died',
    ])
    expect(last).toEqual({
      type: 'end',
      status: 'failed',
      reason: 'sandbox_lost',
      detail: 'Stage "fix" has no "lint_report"; last "lint" ended error (sandbox_lost: It died)',
    })
  })

  test('reduce() goes on after a time-out whose report exists', () => {
    const played = play(LOOP, 'succeeded', 'succeeded', 'error')
    const { command } = reduce(played.plan, played.state, {
      type: 'stage_ended',
      verdict: 'timed_out',
      produced: ['lint_report'],
    })
    expect(command).toMatchObject({ type: 'run_stage', stage: 'fix' })
  })
})

describe('reduce() ends', () => {
  test.each<[Ending, object]>([
    [
      ['blocked', 'policy_blocked', 'No shell'],
      { status: 'failed', reason: 'policy_blocked', detail: 'No shell' },
    ],
    ['blocked', { status: 'failed', reason: 'policy_blocked' }],
    [['blocked', 'network_unavailable'], { status: 'failed', reason: 'network_unavailable' }],
    ['cancelled', { status: 'cancelled', reason: 'cancelled' }],
    [['budget_exceeded', 'cost_limit'], { status: 'budget_exceeded', reason: 'cost_limit' }],
    ['awaiting_approval', { status: 'awaiting_approval', reason: 'approval_required' }],
  ])('reduce() ends the run on %j, whatever the routes', (ending, end) => {
    expect(play(LOOP, 'succeeded', 'succeeded', ending).last).toEqual({ type: 'end', ...end })
  })

  test('reduce() goes on with the stage that waited for approval, as often as it is asked', () => {
    const { plan, ...begun } = play(LOOP, 'succeeded')
    let { state } = begun
    for (let i = 0; i < 100; i++) {
      state = reduce(plan, state, { type: 'stage_ended', verdict: 'awaiting_approval' }).state
      const resumed = reduce(plan, state, { type: 'start' })
      expect(resumed.command).toEqual({
        type: 'run_stage',
        stage: 'implement',
        attempt: i + 2,
        entry: 1,
      })
      state = resumed.state
    }
    expect(state).toMatchObject({ executions: 2, end: null })
  })

  test('reduce() repeats the end of a run that is over', () => {
    const { plan, state, last } = play(LOOP, ['cancelled', 'cancelled'])
    expect(reduce(plan, state, { type: 'start' })).toEqual({ state, command: last })
  })

  test('reduce() throws on an input that cannot be', () => {
    const { plan, state } = play(LOOP)
    expect(() => reduce(plan, state, { type: 'start' })).toThrow(/stage "context" is running/)
    const over = play(LOOP, 'cancelled')
    expect(() => reduce(plan, over.state, { type: 'stage_ended', verdict: 'succeeded' })).toThrow(
      /none is running/,
    )
    expect(() =>
      reduce(plan, initialState(plan), { type: 'stage_ended', verdict: 'failed' }),
    ).toThrow(/none is running/)
  })

  test('reduce() leaves the state it was given as it was', () => {
    const { plan, state } = play(LOOP, 'succeeded')
    const before = structuredClone(state)
    reduce(plan, state, { type: 'stage_ended', verdict: 'succeeded' })
    expect(state).toEqual(before)
  })

  test('reduce() keeps counts apart from members that every object has', () => {
    const text = '\nstages:\n  - { id: constructor, type: deterministic, action: run_tests }\n'
    expect(play(text).last).toEqual({
      type: 'run_stage',
      stage: 'constructor',
      attempt: 1,
      entry: 1,
    })
  })
})

interface Played {
  plan: Plan
  state: EngineState
  /** `stage.attempt`, in order. */
  ran: string[]
  last: Command
}

/** Ends each stage as told, in order; stops when the run ends. */
function play(text: string, ...endings: Ending[]): Played {
  const source = { file: 'x.yaml', text: `version: 1\nname: x\ndescription: d${text}` }
  const { plan } = readBlueprint(source, testRegistry)
  let { state, command } = reduce(plan, initialState(plan), { type: 'start' })
  const ran: string[] = []
  for (const ending of endings) {
    if (command.type === 'end') break
    ran.push(`${command.stage}.${command.attempt}`)
    const [verdict, reason, detail] = typeof ending === 'string' ? [ending] : ending
    ;({ state, command } = reduce(plan, state, { type: 'stage_ended', verdict, reason, detail }))
  }
  if (command.type === 'run_stage') ran.push(`${command.stage}.${command.attempt}`)
  return { plan, state, ran, last: command }
}
