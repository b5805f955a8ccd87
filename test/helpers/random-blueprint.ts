/** Blueprints nobody would write: any stages, any routes. Few of them pass the checker. */
import fc from 'fast-check'
import type { Blueprint, Stage } from '../../src/schema/index.ts'

const ACTIONS = ['run_linters', 'run_tests', 'run_command', 'summarize_run', 'build_context_pack']
const ARTIFACTS = ['patch', 'lint_report', 'test_report', 'command_report', 'context_pack']

/** Mostly forward routes, so that enough of them are sound. */
export function randomBlueprint(): fc.Arbitrary<Blueprint> {
  return fc.integer({ min: 1, max: 7 }).chain((size) =>
    fc
      .record({
        stages: fc.tuple(...Array.from({ length: size }, (_, index) => randomStage(index, size))),
        max: fc.option(fc.integer({ min: size, max: 40 }), { nil: undefined }),
        retries: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
      })
      .map(({ stages, max, retries }): Blueprint => ({
        version: 1,
        name: 'random',
        description: 'Random',
        defaults: { max_step_retries: retries },
        limits: { max_stage_executions: max },
        stages,
      })),
  )
}

function randomStage(index: number, size: number): fc.Arbitrary<Stage> {
  const later = Array.from({ length: size - index - 1 }, (_, i) => `s${index + 1 + i}`)
  const forward = fc.constantFrom(...later, 'done')
  const anywhere = fc.constantFrom(
    ...Array.from({ length: size }, (_, i) => `s${i}`),
    'done',
    'fail',
  )
  const route = fc.oneof(
    { weight: 6, arbitrary: fc.constant(undefined) },
    { weight: 3, arbitrary: forward },
    { weight: 1, arbitrary: anywhere },
  )
  const common = {
    inputs: fc.subarray(ARTIFACTS),
    retry_limit: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
    on_success: route,
    on_failure: fc.oneof(route, anywhere),
  }
  const action = fc.record({ ...common, action: fc.constantFrom(...ACTIONS), on_skipped: route })
  const agent = fc.record(common)
  return fc.oneof(
    action.map((stage): Stage => ({ id: `s${index}`, type: 'deterministic', ...stage })),
    agent.map((stage): Stage => ({ id: `s${index}`, type: 'agent', goal: 'Fix it', ...stage })),
  )
}
