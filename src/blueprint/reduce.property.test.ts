/** What the checker proves, held against what the reducer does with random blueprints. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { testRegistry } from '../../test/helpers/blueprints.ts'
import { randomBlueprint } from '../../test/helpers/random-blueprint.ts'
import type { Blueprint, Reason, Verdict } from '../schema/index.ts'
import { boundsOf } from './bounds.ts'
import { checkBlueprint } from './check.ts'
import { type Plan, planBlueprint } from './plan.ts'
import { type Command, type EngineState, initialState, reduce } from './reduce.ts'
import { canEnd } from './registry.ts'

interface Ending {
  verdict: Verdict
  reason?: Reason
}

const VERDICTS: Ending[] = [
  { verdict: 'succeeded' },
  { verdict: 'failed', reason: 'tests_failed' },
  { verdict: 'skipped', reason: 'not_configured' },
]
const ERRORS: Ending[] = [
  { verdict: 'error', reason: 'sandbox_failed' },
  { verdict: 'timed_out', reason: 'timed_out' },
]
const RECOVERED: Ending = { verdict: 'error', reason: 'recovered' }

const sound = randomBlueprint()
  .map(withoutRefusedInputs)
  .filter((blueprint) => checkBlueprint(blueprint, testRegistry).length === 0)
  .map((blueprint) => ({ blueprint, plan: planBlueprint(blueprint, testRegistry) }))

const choices = fc.array(fc.nat(), { minLength: 64, maxLength: 64 })

describe('reduce() on random blueprints that pass the checker', () => {
  test('reduce() ends every run within max_stage_executions', () => {
    forAll([...VERDICTS, ...ERRORS, RECOVERED], ({ plan, run }) => {
      expect(run.last.type).toBe('end')
      expect(run.endings.length).toBeLessThanOrEqual(plan.maxStageExecutions)
    })
  })

  test('reduce() uses no more than boundsOf() says, by stage and in all', () => {
    forAll([...VERDICTS, ...ERRORS], ({ plan, run }) => {
      const bounds = boundsOf(plan)
      expect(run.endings.length).toBeLessThanOrEqual(bounds.stageExecutions.value)
      for (const { id, entries, executions } of bounds.stages) {
        expect(run.state.entries[id] ?? 0).toBeLessThanOrEqual(entries)
        expect(run.state.attempts[id] ?? 0).toBeLessThanOrEqual(executions)
      }
    })
  })

  test('reduce() enters no agent stage beyond its limit', () => {
    forAll([...VERDICTS, ...ERRORS, RECOVERED], ({ plan, run }) => {
      for (const { id, type, retryLimit } of plan.stages)
        if (type === 'agent') expect(run.state.entries[id] ?? 0).toBeLessThanOrEqual(retryLimit)
    })
  })

  test('reduce() finds every input there as long as no stage crashes', () => {
    forAll(VERDICTS, ({ run }) => {
      expect(run.last).not.toMatchObject({ detail: expect.stringMatching(/ has no "/) })
    })
  })

  test('reduce() starts no stage without its inputs, whatever crashes', () => {
    forAll([...VERDICTS, ...ERRORS, RECOVERED], ({ plan, run }) => {
      for (const { state } of run.trail) {
        const stage = plan.stages.find(({ id }) => id === state.stage)
        if (state.phase === 'running')
          expect(state.produced).toEqual(expect.arrayContaining([...(stage?.inputs ?? [])]))
      }
    })
  })

  test('reduce() comes to the same state when recorded verdicts are folded again, from JSON', () => {
    forAll([...VERDICTS, ...ERRORS, RECOVERED], ({ plan, run }) => {
      const stored: Ending[] = JSON.parse(JSON.stringify(run.endings))
      const folded = follow(JSON.parse(JSON.stringify(plan)), (_, index) => stored[index])
      expect(folded.trail).toEqual(run.trail)
      expect(JSON.parse(JSON.stringify(run.state))).toEqual(run.state)
    })
  })

  test('reduce() goes on from any recorded prefix as if nothing had been interrupted', () => {
    forAll(VERDICTS, ({ plan, run }) => {
      const cut = Math.floor(run.endings.length / 2)
      const prefix = follow(plan, (_, index) => run.endings.slice(0, cut)[index])
      expect(prefix.trail).toEqual(run.trail.slice(0, cut + 1))
    })
  })

  test('every path of successes ends in done or fail without a limit', () => {
    forAll([{ verdict: 'succeeded' }], ({ run }) => {
      expect(run.last).not.toMatchObject({ reason: 'stage_execution_limit' })
      expect(run.last).not.toMatchObject({ reason: 'retry_exhausted' })
    })
  })
})

/** Keeps just the inputs that the checker takes, which are the ones to hold it to. */
function withoutRefusedInputs(blueprint: Blueprint): Blueprint {
  const refused = new Set(
    checkBlueprint(blueprint, testRegistry)
      .filter(({ code }) => code === 'input_not_produced' || code === 'input_not_consumed')
      .map(({ path }) => path.join('.')),
  )
  const stages = blueprint.stages.map((stage, at) => ({
    ...stage,
    inputs: stage.inputs?.filter((_, index) => !refused.has(`stages.${at}.inputs.${index}`)),
  }))
  return { ...blueprint, stages }
}

interface Followed {
  endings: Ending[]
  /** After the start and after each ending. */
  trail: { state: EngineState; command: Command }[]
  state: EngineState
  last: Command
}

/** Every stage ends as `choose` says, until the run does or there is nothing left to choose. */
function follow(
  plan: Plan,
  choose: (stage: string, index: number) => Ending | undefined,
): Followed {
  let { state, command } = reduce(plan, initialState(plan), { type: 'start' })
  const trail = [{ state, command }]
  const endings: Ending[] = []
  while (command.type === 'run_stage') {
    const ending = choose(command.stage, endings.length)
    if (ending === undefined) break
    endings.push(ending)
    ;({ state, command } = reduce(plan, state, { type: 'stage_ended', ...ending }))
    trail.push({ state, command })
  }
  return { endings, trail, state, last: command }
}

/** Runs random sound plans, each stage ending in a random way that it can end in. */
function forAll(
  endings: readonly Ending[],
  assertion: (given: { plan: Plan; run: Followed }) => void,
): void {
  fc.assert(
    fc.property(sound, choices, ({ blueprint, plan }, picks) => {
      const run = follow(plan, (id, index) => {
        const stage = blueprint.stages.find((each) => each.id === id)
        const possible = endings.filter(
          ({ verdict }) =>
            stage !== undefined &&
            ((verdict !== 'failed' && verdict !== 'skipped') ||
              canEnd(stage, verdict, testRegistry)),
        )
        return possible[(picks[index % picks.length] ?? 0) % possible.length]
      })
      assertion({ plan, run })
    }),
    { numRuns: 100 },
  )
}
