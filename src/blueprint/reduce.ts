/**
 * What a run does next: a pure function of the plan, the state and how the stage ended. It performs
 * nothing, asks no clock and keeps nothing, so folding the recorded verdicts of a run through it
 * gives the state in which the run was when its process died.
 *
 * Every path through it ends: entries of agent stages, errors of deterministic ones and executions
 * of all are counted, and each count has a limit.
 */
import type { Reason } from '../schema/index.ts'
import type { Plan, PlanStage } from './plan.ts'
import type { Outcome } from './registry.ts'
import {
  type Command,
  count,
  type EndCommand,
  type EngineState,
  initialState,
  type Input,
  plusOne,
  type Reduction,
  type StageProblem,
} from './run-state.ts'

export { type Command, type EngineState, initialState, type Input, type Reduction }

/** Throws only on an input that no run of `plan` can give in this state. */
export function reduce(plan: Plan, state: EngineState, input: Input): Reduction {
  switch (input.type) {
    case 'start':
      if (state.phase === 'new') return enter(plan, state, { id: state.stage, how: 'routed' })
      if (state.phase === 'awaiting_approval')
        return enter(plan, state, { id: state.stage, how: 'resumed' })
      if (state.end !== null) return { state, command: state.end }
      throw new Error(`Cannot start a run of "${plan.name}": stage "${state.stage}" is running`)
    case 'stage_ended':
      if (state.phase !== 'running')
        throw new Error(`Cannot end a stage of "${plan.name}": none is running`)
      return stageEnded(plan, state, input)
  }
}

type StageEnded = Extract<Input, { type: 'stage_ended' }>

function stageEnded(plan: Plan, state: EngineState, input: StageEnded): Reduction {
  const stage = stageOf(plan, state.stage)
  switch (input.verdict) {
    case 'succeeded':
    case 'failed':
    case 'skipped':
      return leave(plan, state, { stage, outcome: input.verdict, input })
    case 'error':
    case 'timed_out':
      return erred(plan, state, { stage, input })
    case 'blocked':
      return end(state, { status: 'failed', ...why(input, 'policy_blocked') })
    case 'cancelled':
      return end(state, { status: 'cancelled', ...why(input, 'cancelled') })
    case 'budget_exceeded':
      return end(state, { status: 'budget_exceeded', ...why(input, undefined) })
    case 'awaiting_approval': {
      // The stage has not run, so its attempt does not count against the limit of executions.
      const waiting = { ...state, executions: state.executions - 1 }
      return end(waiting, { status: 'awaiting_approval', ...why(input, 'approval_required') })
    }
  }
}

/** Retries what crashed while its limit allows, then routes like a failure. */
function erred(
  plan: Plan,
  state: EngineState,
  { stage, input }: { stage: PlanStage; input: StageEnded },
): Reduction {
  // The crash was OpenExec's own: it counts against the executions, not against the stage.
  if (input.reason === 'recovered') return enter(plan, state, { id: stage.id, how: 'recovered' })
  const counted = { ...state, errors: plusOne(state.errors, stage.id) }
  const used =
    stage.type === 'agent' ? count(state.entries, stage.id) + 1 : count(counted.errors, stage.id)
  if (used <= stage.retryLimit) return enter(plan, counted, { id: stage.id, how: 'retried' })
  return leave(plan, counted, { stage, outcome: 'failed', input })
}

interface Leaving {
  stage: PlanStage
  outcome: Outcome
  input: StageEnded
}

function leave(plan: Plan, before: EngineState, leaving: Leaving): Reduction {
  const { stage, outcome, input } = leaving
  const promised = input.verdict === outcome ? stage.produces[outcome] : []
  const produced = new Set([...before.produced, ...promised, ...(input.produced ?? [])])
  const state = {
    ...before,
    produced: [...produced].sort(),
    problem: problemAfter(before, leaving),
  }
  const route = stage.routes[outcome]
  if (route === 'done') return end(state, { status: 'succeeded' })
  if (route === 'fail') return end(state, { status: 'failed', ...reasonOfFail(state, stage) })
  return enter(plan, state, { id: route, how: 'routed' })
}

/** A skip is a problem only where the blueprint routes it away from success. */
function problemAfter(state: EngineState, { stage, outcome, input }: Leaving): StageProblem | null {
  const { reason = null, detail = null, verdict } = input
  const isProblem =
    outcome === 'failed' ||
    (outcome === 'skipped' && stage.routes.skipped !== stage.routes.succeeded)
  if (isProblem) return { stage: stage.id, verdict, reason, detail }
  return state.problem?.stage === stage.id ? null : state.problem
}

function reasonOfFail({ problem }: EngineState, stage: PlanStage): Partial<EndCommand> {
  if (problem !== null) return reasonOf(problem)
  return { detail: `The route of stage "${stage.id}" leads to "fail"` }
}

interface Entering {
  id: string
  how: 'routed' | 'retried' | 'recovered' | 'resumed'
}

/** The one place where a stage starts; all that bounds a run is asked here. */
function enter(plan: Plan, state: EngineState, { id, how }: Entering): Reduction {
  const stage = stageOf(plan, id)
  const entered = count(state.entries, id)
  const isEntry = how === 'routed' || (how === 'retried' && stage.type === 'agent')
  if (how === 'routed' && stage.type === 'agent' && entered >= stage.retryLimit)
    return end(state, {
      status: 'failed',
      reason: 'retry_exhausted',
      detail: `Stage "${id}" may be entered ${times(stage.retryLimit)}${lastly(state)}`,
    })
  if (state.executions >= plan.maxStageExecutions)
    return end(state, {
      status: 'failed',
      reason: 'stage_execution_limit',
      detail: `A run may execute ${plan.maxStageExecutions} stages; "${id}" would be next${lastly(state)}`,
    })
  const missing = stage.inputs.filter((name) => !state.produced.includes(name))
  if (missing.length > 0) return missingInputs(state, id, missing)
  const next = {
    ...state,
    phase: 'running' as const,
    stage: id,
    attempts: plusOne(state.attempts, id),
    entries: isEntry ? plusOne(state.entries, id) : state.entries,
    executions: state.executions + 1,
    end: null,
  }
  const attempt = count(next.attempts, id)
  const entry = count(next.entries, id)
  return { state: next, command: { type: 'run_stage', stage: id, attempt, entry } }
}

/** The checker proves that only a stage that crashed can leave its successor without inputs. */
function missingInputs(state: EngineState, id: string, missing: readonly string[]): Reduction {
  const detail = `Stage "${id}" has no ${missing.map((name) => `"${name}"`).join(', ')}${lastly(state)}`
  const reason = state.problem?.reason ?? 'internal'
  return end(state, { status: 'failed', reason, detail })
}

function end(state: EngineState, how: Omit<EndCommand, 'type'>): Reduction {
  const command: EndCommand = { type: 'end', ...how }
  const phase = how.status === 'awaiting_approval' ? 'awaiting_approval' : 'ended'
  return { state: { ...state, phase, end: command }, command }
}

function why(input: StageEnded, usual: Reason | undefined): Partial<EndCommand> {
  return reasonOf({ reason: input.reason ?? usual ?? null, detail: input.detail ?? null })
}

function reasonOf(from: Pick<StageProblem, 'reason' | 'detail'>): Partial<EndCommand> {
  return {
    ...(from.reason !== null && { reason: from.reason }),
    ...(from.detail !== null && { detail: from.detail }),
  }
}

function lastly({ problem }: EngineState): string {
  if (problem === null) return ''
  const { stage, verdict, reason, detail } = problem
  const because = [reason, detail].filter((part) => part !== null).join(': ')
  return `; last "${stage}" ended ${verdict}${because === '' ? '' : ` (${because})`}`
}

function times(limit: number): string {
  return limit === 1 ? 'once' : `${limit} times`
}

function stageOf(plan: Plan, id: string): PlanStage {
  const stage = plan.stages.find((each) => each.id === id)
  if (stage === undefined) throw new Error(`Cannot find stage "${id}" in plan "${plan.name}"`)
  return stage
}
