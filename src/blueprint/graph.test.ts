import { expect, test } from 'vitest'
import { testRegistry } from '../../test/helpers/blueprints.ts'
import { renderBlueprint } from './graph.ts'
import { readBlueprint } from './read.ts'

const { plan } = readBlueprint(
  {
    file: 'x.yaml',
    text: `version: 1
name: fix_and_test
description: |
  Fix it,
  then test it
limits: { max_wall: 90m }
stages:
  - { id: fix, type: agent, goal: g, toolset: debug_ci, retry_limit: 1, outputs: [patch] }
  - { id: tests, type: deterministic, action: run_tests, inputs: [patch], network: [], approval_required: true,
      sandbox: read_only, retry_limit: 0, timeout: 90s, on_failure: summary, on_skipped: summary }
  - { id: summary, type: deterministic, action: summarize_run, retry_limit: 1 }
`,
  },
  testRegistry,
)

test('renderBlueprint() shows stages, data, routes that are not usual, and the worst case', () => {
  expect(renderBlueprint(plan)).toBe(`fix_and_test: Fix it, then test it

  fix      agent with debug_ci, up to 1 entry, 1h each
           makes patch
           succeeded → tests
  tests    run_tests, no retry, 1m 30s each, read_only, network none, needs approval
           uses patch; makes test_report
           succeeded → summary   failed → summary
  summary  summarize_run, up to 1 retry, 1m each
           makes summary
           succeeded → done

At most, in one run:
  stage executions  4
  agent entries     1
  turns             60
  tokens            400,000
  tool calls        200
  cost              2.00 USD
  wall clock        1h 3m 30s
  output            50 MB (by its limit)`)
})
