import { expect, test } from 'vitest'
import { testRegistry } from '../../test/helpers/blueprints.ts'
import { boundsOf } from './bounds.ts'
import { readBlueprint } from './read.ts'

function boundsOfText(stages: string, head = '') {
  const text = `version: 1\nname: x\ndescription: d\n${head}\nstages:\n${stages}`
  return boundsOf(readBlueprint({ file: 'x.yaml', text }, testRegistry).plan)
}

const LOOP = `  - { id: lint, type: deterministic, action: run_linters, retry_limit: 1, timeout: 1m, on_success: tests, on_failure: fix }
  - { id: tests, type: deterministic, action: run_tests, retry_limit: 0, timeout: 2m, on_success: done, on_failure: fix }
  - { id: fix, type: agent, goal: g, retry_limit: 3, timeout: 10m, limits: { max_turns: 7 }, on_success: lint }
`

test('boundsOf() counts a straight run and its retries', () => {
  const bounds = boundsOfText(
    '  - { id: a, type: deterministic, action: run_linters, retry_limit: 2 }\n  - { id: b, type: deterministic, action: run_tests, retry_limit: 0 }\n',
  )
  expect(bounds.stageExecutions).toEqual({ structural: 4, limit: 50, value: 4 })
  expect(bounds.agentEntries).toBe(0)
  expect(bounds.turns.value).toBe(0)
  expect(bounds.costUsd.value).toBe(0)
})

test('boundsOf() counts the longer of two branches, not both', () => {
  const bounds = boundsOfText(
    `  - { id: a, type: deterministic, action: run_linters, retry_limit: 0, on_success: b, on_failure: c }
  - { id: b, type: deterministic, action: run_tests, retry_limit: 0, on_success: done }
  - { id: c, type: deterministic, action: run_tests, retry_limit: 0 }
  - { id: d, type: deterministic, action: run_tests, retry_limit: 0 }
`,
  )
  expect(bounds.stageExecutions.value).toBe(3)
})

test('boundsOf() counts what follows each entry of an agent stage', () => {
  const bounds = boundsOfText(LOOP)
  // lint, tests; three times fix, lint, tests; one retry of lint.
  expect(bounds.stageExecutions.structural).toBe(12)
  expect(bounds.stageExecutions.value).toBe(12)
  expect(bounds.agentEntries).toBe(3)
  expect(bounds.turns).toEqual({ structural: 21, limit: 60, value: 21 })
  expect(bounds.wallMs.structural).toBe((3 + 3 * 13 + 1) * 60_000)
  expect(bounds.stages).toEqual([
    { id: 'lint', entries: 4, executions: 5 },
    { id: 'tests', entries: 4, executions: 4 },
    { id: 'fix', entries: 3, executions: 3 },
  ])
})

test('boundsOf() counts the way to the end once, and walks on once from an agent no way leads back to', () => {
  const bounds = boundsOfText(
    `  - { id: implement, type: agent, goal: g, retry_limit: 3, on_success: tests }
  - { id: tests, type: deterministic, action: run_tests, retry_limit: 0, on_success: report, on_failure: fix }
  - { id: report, type: deterministic, action: summarize_run, retry_limit: 0, on_success: done }
  - { id: fix, type: agent, goal: g, retry_limit: 2, on_success: tests }
`,
  )
  // Three times implement, tests; twice fix, tests; report.
  expect(bounds.stageExecutions.structural).toBe(9)
  expect(bounds.stages).toContainEqual({ id: 'tests', entries: 3, executions: 3 })
})

test('boundsOf() is never above the limits of the run', () => {
  const head = 'limits: { max_stage_executions: 6, max_turns: 10, max_wall: 5m, max_cost_usd: 0.5 }'
  const bounds = boundsOfText(LOOP.replace('7', '10'), head)
  expect(bounds.stageExecutions).toEqual({ structural: 12, limit: 6, value: 6 })
  expect(bounds.turns).toEqual({ structural: 30, limit: 10, value: 10 })
  expect(bounds.wallMs.value).toBe(300_000)
  expect(bounds.costUsd).toEqual({ structural: 1.5, limit: 0.5, value: 0.5 })
})
