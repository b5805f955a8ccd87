/** Where a run stands between two stages, and what can be said to and by the reducer. */
import type { Reason, RunStatus, Verdict } from '../schema/index.ts'
import type { Plan } from './plan.ts'

/** Plain JSON. Counts are per run and by stage id. */
export interface EngineState {
  phase: 'new' | 'running' | 'awaiting_approval' | 'ended'
  /** The stage that runs, waits, or ran last. */
  stage: string
  attempts: Readonly<Record<string, number>>
  entries: Readonly<Record<string, number>>
  errors: Readonly<Record<string, number>>
  /** Attempts of all stages. */
  executions: number
  /** Names of the artifacts that exist, sorted. */
  produced: readonly string[]
  /** The last thing that went wrong and was not put right since. */
  problem: StageProblem | null
  end: EndCommand | null
}

export interface StageProblem {
  stage: string
  verdict: Verdict
  reason: Reason | null
  detail: string | null
}

export type Input =
  /** Begins the run, or goes on with a stage that waited for an approval. */
  | { type: 'start' }
  | {
      type: 'stage_ended'
      verdict: Verdict
      reason?: Reason | undefined
      /** One sentence for a person. */
      detail?: string | undefined
      /** Artifacts that exist although the verdict does not promise them, as after a time-out. */
      produced?: readonly string[] | undefined
    }

export interface EndCommand {
  type: 'end'
  status: RunStatus
  reason?: Reason
  detail?: string
}

export type Command =
  /** `attempt` counts executions of the stage in this run, `entry` how often it was entered. */
  { type: 'run_stage'; stage: string; attempt: number; entry: number } | EndCommand

export interface Reduction {
  state: EngineState
  command: Command
}

export function initialState(plan: Plan): EngineState {
  return {
    phase: 'new',
    stage: plan.stages[0].id,
    attempts: {},
    entries: {},
    errors: {},
    executions: 0,
    produced: [],
    problem: null,
    end: null,
  }
}

/** 0 for a stage that was never counted. */
export function count(counts: Readonly<Record<string, number>>, id: string): number {
  return Object.hasOwn(counts, id) ? (counts[id] ?? 0) : 0
}

export function plusOne(
  counts: Readonly<Record<string, number>>,
  id: string,
): Record<string, number> {
  return { ...counts, [id]: count(counts, id) + 1 }
}
