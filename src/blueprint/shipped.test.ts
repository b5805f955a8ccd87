/** The blueprints that ship: each is walked through with verdicts, no sandbox needed. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { testRegistry } from '../../test/helpers/blueprints.ts'
import type { Reason, Verdict } from '../schema/index.ts'
import { boundsOf } from './bounds.ts'
import { findBlueprint, listBlueprints } from './catalog.ts'
import { initialState, reduce } from './reduce.ts'

const shippedDir = join(import.meta.dirname, '../../blueprints')
const catalog = { shippedDir, cwd: '/', registry: testRegistry }
const AGENT_BLUEPRINTS = ['backend_bugfix', 'debug_ci_failure', 'scoped_code_change']

test('listBlueprints() gives those that ship, each named as its file', () => {
  const names = listBlueprints(catalog).map(({ plan }) => plan.name)
  expect(names).toEqual([
    'backend_bugfix',
    'check',
    'command',
    'debug_ci_failure',
    'mcp_tools',
    'scoped_code_change',
  ])
  for (const name of names) expect(findBlueprint(name, catalog).plan.name).toBe(name)
})

test.each(['check', 'command', ...AGENT_BLUEPRINTS])(
  '%s is not cut short by max_stage_executions as long as nothing crashes',
  (name) => {
    const { plan } = findBlueprint(name, catalog)
    const withoutRetries = {
      ...plan,
      stages: plan.stages.map((s) => (s.type === 'agent' ? s : { ...s, retryLimit: 0 })),
    }
    const [first, ...rest] = withoutRetries.stages
    if (first === undefined) throw new Error('Expected stages')
    const { structural } = boundsOf({ ...plan, stages: [first, ...rest] }).stageExecutions
    expect(structural).toBeLessThanOrEqual(plan.maxStageExecutions)
  },
)

describe('command', () => {
  test('command succeeds, fails and times out with its one stage, and never repeats it', () => {
    expect(walk('command', {}).end).toEqual({ type: 'end', status: 'succeeded' })
    expect(walk('command', { run_command: ['failed', 'exit_nonzero'] }).end).toMatchObject({
      status: 'failed',
      reason: 'exit_nonzero',
    })
    const timedOut = walk('command', { run_command: ['timed_out', 'timed_out'] })
    expect(timedOut.ran).toEqual(['run_command'])
    expect(timedOut.end).toMatchObject({ status: 'failed', reason: 'timed_out' })
  })
})

describe('check', () => {
  const skipped: Ending = ['skipped', 'not_configured']

  test('check runs set-up, linters, tests and summary', () => {
    const { ran, end } = walk('check', { run_setup: skipped })
    expect(ran).toEqual(['run_setup', 'run_linters', 'run_tests', 'summarize_run'])
    expect(end).toEqual({ type: 'end', status: 'succeeded' })
  })

  test('check runs the tests although the linters found something, and fails with it', () => {
    const { ran, end } = walk('check', { run_linters: ['failed', 'lint_failed'] })
    expect(ran).toEqual([
      'run_setup',
      'run_linters',
      'run_tests_after_lint_failure',
      'summarize_failed_run',
    ])
    expect(end).toMatchObject({ status: 'failed', reason: 'lint_failed' })
  })

  test('check fails when the tests do', () => {
    const { ran, end } = walk('check', { run_tests: ['failed', 'tests_failed'] })
    expect(ran.at(-1)).toBe('summarize_failed_run')
    expect(end).toMatchObject({ status: 'failed', reason: 'tests_failed' })
  })

  test('check runs nothing when set-up fails', () => {
    const { ran, end } = walk('check', { run_setup: ['failed', 'exit_nonzero'] })
    expect(ran).toEqual(['run_setup', 'summarize_failed_run'])
    expect(end).toMatchObject({ status: 'failed', reason: 'exit_nonzero' })
  })

  test('check succeeds with tests alone and with linters alone', () => {
    expect(walk('check', { run_linters: skipped }).end).toMatchObject({ status: 'succeeded' })
    const { ran, end } = walk('check', { run_tests: skipped })
    expect(ran).toEqual([
      'run_setup',
      'run_linters',
      'run_tests',
      'run_linters_only',
      'summarize_run',
    ])
    expect(end).toMatchObject({ status: 'succeeded' })
  })

  test('check that checked nothing fails with not_configured', () => {
    const { end } = walk('check', {
      run_linters: skipped,
      run_tests: skipped,
      run_linters_only: skipped,
    })
    expect(end).toMatchObject({ status: 'failed', reason: 'not_configured' })
  })
})

describe.each(AGENT_BLUEPRINTS)('%s', (name) => {
  const seen: Endings =
    name === 'debug_ci_failure' ? { reproduce_tests: ['failed', 'tests_failed'] } : {}
  const first = name === 'debug_ci_failure' ? 'fix_failure' : 'implement'

  test(`${name} ends with diff report, review bundle and summary`, () => {
    const { ran, end } = walk(name, seen)
    expect(ran.slice(-4)).toEqual(['run_tests', 'report_changes', 'review_bundle', 'summarize_run'])
    expect(end).toEqual({ type: 'end', status: 'succeeded' })
  })

  test(`${name} repairs what linters and tests find`, () => {
    const { ran, end } = walk(name, {
      ...seen,
      run_linters: [['failed', 'lint_failed'], ['succeeded']],
      run_tests: [['failed', 'tests_failed'], ['succeeded']],
    })
    expect(ran.join(' ')).toContain(
      'run_linters fix_lints run_linters run_tests fix_tests run_linters run_tests report_changes',
    )
    expect(end).toMatchObject({ status: 'succeeded' })
  })

  test(`${name} gives up in the end`, () => {
    const { end } = walk(name, { ...seen, run_tests: ['failed', 'tests_failed'] })
    expect(end).toMatchObject({ status: 'failed', reason: 'retry_exhausted' })
  })

  test(`${name} keeps why an agent stage failed behind its summary`, () => {
    const { ran, end } = walk(name, { ...seen, [first]: ['failed', 'no_model_configured'] })
    expect(ran.slice(-2)).toEqual([first, 'summarize_failed_run'])
    expect(end).toMatchObject({ status: 'failed', reason: 'no_model_configured' })
  })
})

describe('debug_ci_failure', () => {
  test('debug_ci_failure has nothing to fix when all checks pass', () => {
    const { ran, end } = walk('debug_ci_failure', {})
    expect(ran).toEqual(['reproduce_tests', 'reproduce_lints', 'summarize_run'])
    expect(end).toMatchObject({ status: 'succeeded' })
  })

  test('debug_ci_failure fails with not_configured when there is nothing to reproduce with', () => {
    const skipped: Ending = ['skipped', 'not_configured']
    const { end } = walk('debug_ci_failure', {
      reproduce_tests: skipped,
      reproduce_lints_only: skipped,
    })
    expect(end).toMatchObject({ status: 'failed', reason: 'not_configured' })
  })
})

type Ending = [Verdict, Reason?]
/** How stages end, always or one time after the other; the last one stays. Others succeed. */
type Endings = Record<string, Ending | Ending[]>

function walk(name: string, endings: Endings) {
  const { plan } = findBlueprint(name, catalog)
  let { state, command } = reduce(plan, initialState(plan), { type: 'start' })
  const ran: string[] = []
  while (command.type === 'run_stage') {
    ran.push(command.stage)
    const given = endings[command.stage] ?? ['succeeded']
    const list = isList(given) ? given : [given]
    const [verdict, reason] = list[Math.min(command.attempt, list.length) - 1] ?? ['succeeded']
    ;({ state, command } = reduce(plan, state, { type: 'stage_ended', verdict, reason }))
  }
  return { ran, end: command }
}

function isList(given: Ending | Ending[]): given is Ending[] {
  return Array.isArray(given[0])
}
