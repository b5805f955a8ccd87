import { expect, test } from 'vitest'
import { testRegistry } from '../../test/helpers/blueprints.ts'
import { DEFAULTS } from './defaults.ts'
import { readBlueprint } from './read.ts'

function planOf(stages: string, head = '') {
  const text = `version: 1\nname: x\ndescription: d\n${head}\nstages:\n${stages}`
  return readBlueprint({ file: 'x.yaml', text }, testRegistry).plan
}

test('planBlueprint() fills every field of a blueprint that says nothing', () => {
  const plan = planOf(
    '  - { id: lint, type: deterministic, action: run_linters }\n  - { id: fix, type: agent, goal: g }',
  )
  expect(plan).toEqual({
    name: 'x',
    description: 'd',
    approvalMode: 'on_risky_actions',
    limits: DEFAULTS.limits,
    maxStageExecutions: 50,
    stages: [
      {
        id: 'lint',
        type: 'deterministic',
        action: 'run_linters',
        with: {},
        inputs: [],
        produces: { succeeded: ['lint_report'], failed: ['lint_report'], skipped: ['lint_report'] },
        sandbox: null,
        sandboxFrom: null,
        network: null,
        limits: DEFAULTS.limits,
        retryLimit: 2,
        approvalRequired: false,
        timeoutMs: 3_600_000,
        routes: { succeeded: 'fix', failed: 'fail', skipped: 'fix' },
      },
      {
        id: 'fix',
        type: 'agent',
        goal: 'g',
        toolset: 'repo_readonly',
        inputs: [],
        produces: { succeeded: ['patch'], failed: [], skipped: [] },
        sandbox: null,
        sandboxFrom: null,
        network: null,
        limits: DEFAULTS.limits,
        retryLimit: 2,
        approvalRequired: false,
        timeoutMs: 3_600_000,
        routes: { succeeded: 'done', failed: 'fail', skipped: 'done' },
      },
    ],
  })
})

test('planBlueprint() gives a plan that survives JSON', () => {
  const plan = planOf(
    '  - { id: a, type: deterministic, action: run_command, with: { argv: [id] }, network: [] }',
  )
  expect(JSON.parse(JSON.stringify(plan))).toEqual(plan)
})

test('planBlueprint() lets a stage override the defaults of the blueprint', () => {
  const plan = planOf(
    `  - { id: a, type: agent, goal: g, toolset: debug_ci, sandbox: repo_write, approval_required: false, retry_limit: 1, timeout: fast }
  - { id: b, type: agent, goal: g }
  - { id: c, type: deterministic, action: summarize_run }`,
    'defaults: { toolset: coding_backend, sandbox: read_only, max_step_retries: 4, approval_mode: always }',
  )
  const [a, b, c] = plan.stages
  expect(a).toMatchObject({
    toolset: 'debug_ci',
    sandbox: 'repo_write',
    sandboxFrom: 'stage',
    approvalRequired: false,
    retryLimit: 1,
    timeoutMs: 60_000,
  })
  expect(b).toMatchObject({
    toolset: 'coding_backend',
    sandbox: 'read_only',
    sandboxFrom: 'blueprint',
    approvalRequired: true,
    retryLimit: 4,
  })
  expect(c).toMatchObject({ sandbox: 'read_only', retryLimit: 4, timeoutMs: 60_000 })
})

test('planBlueprint() never lets a default forbid an agent stage altogether', () => {
  const [first] = planOf(
    '  - { id: a, type: agent, goal: g }',
    'defaults: { max_step_retries: 0 }',
  ).stages
  expect(first.retryLimit).toBe(1)
})

test('planBlueprint() keeps the limits of a stage at or below those of the run', () => {
  const plan = planOf(
    '  - { id: a, type: agent, goal: g, limits: { max_turns: 5, max_tool_calls: 9999 } }',
    'limits: { max_turns: 10, max_wall: 2m, max_stage_executions: 7 }',
  )
  expect(plan.maxStageExecutions).toBe(7)
  expect(plan.limits).toEqual({ ...DEFAULTS.limits, max_turns: 10, max_wall: 120_000 })
  expect(plan.stages[0].limits).toEqual({ ...plan.limits, max_turns: 5 })
})

test('planBlueprint() lets a blueprint raise the default limits of the run', () => {
  expect(
    planOf('  - { id: a, type: agent, goal: g }', 'limits: { max_turns: 500 }').limits.max_turns,
  ).toBe(500)
})
