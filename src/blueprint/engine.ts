/**
 * The execution loop: load the run, take the next stage, perform it, check what it made of the tree,
 * persist, and so on until the reducer says it is over. It knows no container, no git, no model and
 * no test: those are behind `Environment`. Each stage attempt is two transactions with the effect in
 * between, so that a crash at any point leaves something `executeRun()` can go on from.
 */
import { type Clock, type GitOid, type NewId, type Run, type RunId, StepId } from '../schema/index.ts'
import type { Timeline } from '../events/index.ts'
import { getRun, type State } from '../state/index.ts'
import { endOfAbort, endOfError, type RunEnd, type StageOutcome, verdictOf } from './outcome.ts'
import type { Plan, PlanStage } from './plan.ts'
import { reduce } from './reduce.ts'
import { beginRun, beginStep, endRun, endStep, recordedState } from './record.ts'

/** Everything a run touches outside of state; opened once, closed whatever happens. */
export interface Environment {
  baseCommit: GitOid
  baseTree: GitOid
  perform(attempt: StageAttempt, signal: AbortSignal): Promise<StageOutcome>
  /** Snapshots the tree and holds it against the path rules. */
  checkpoint(attempt: StageAttempt): Promise<Checkpoint>
  /** Puts a tree back before a stage is tried again; what the attempt left in the sandbox goes too. */
  restore(tree: GitOid): Promise<void>
  /** Removes sandbox and workspace; nothing of the run stays on the machine. */
  close(): Promise<void>
}

export interface StageAttempt {
  step: StepId
  stage: PlanStage
  attempt: number
  baseTree: GitOid
}

export interface Checkpoint {
  tree: GitOid
  commit: GitOid | undefined
  /** Changed paths that policy forbids, for people. */
  violations: string[]
}

export interface EngineDeps {
  state: State
  timeline: Timeline
  now: Clock
  newId: NewId
  loadPlan(run: Run): Promise<Plan>
  open(run: Run, signal: AbortSignal): Promise<Environment>
}

export interface Engine {
  /**
   * Executes a run its caller owns to an end. Failures are the run's status and reason, never an
   * exception; only a broken state database throws.
   */
  executeRun(id: RunId, signal: AbortSignal): Promise<Run>
}

export function createEngine(deps: EngineDeps): Engine {
  return {
    async executeRun(id, signal) {
      const run = getRun(deps.state.db, id)
      beginRun(deps, run)
      endRun(deps, id, await runToEnd(deps, run, signal))
      return getRun(deps.state.db, id)
    },
  }
}

async function runToEnd(deps: EngineDeps, run: Run, signal: AbortSignal): Promise<RunEnd> {
  let environment: Environment | undefined
  try {
    const plan = await deps.loadPlan(run)
    environment = await deps.open(run, signal)
    return await runStages(deps, { run, plan, environment }, signal)
  } catch (error) {
    return signal.aborted ? endOfAbort(signal) : endOfError(error)
  } finally {
    await environment?.close()
  }
}

interface Opened {
  run: Run
  plan: Plan
  environment: Environment
}

async function runStages(deps: EngineDeps, opened: Opened, signal: AbortSignal): Promise<RunEnd> {
  const { run, plan, environment } = opened
  let { state, command, tree, restore } = recordedState(deps, opened)
  while (command.type === 'run_stage') {
    if (signal.aborted) return endOfAbort(signal)
    if (restore) await environment.restore(tree)
    const attempt: StageAttempt = {
      step: StepId.parse(deps.newId('step')),
      stage: stageOf(plan, command.stage),
      attempt: command.attempt,
      baseTree: tree,
    }
    beginStep(deps, run.id, attempt)
    const outcome = await performChecked(environment, attempt, signal)
    endStep(deps, run.id, { attempt, outcome })
    if (signal.aborted) return endOfAbort(signal)
    const { verdict, reason, detail } = outcome
    // What a crash left half done is no base for another attempt.
    restore = verdict === 'error' || verdict === 'timed_out'
    tree = restore ? tree : (outcome.tree ?? tree)
    const produced = outcome.artifacts.map(({ name }) => name)
    const ended = { type: 'stage_ended', verdict, reason, detail, produced } as const
    ;({ state, command } = reduce(plan, state, ended))
  }
  const { status, reason, detail } = command
  return { status, reason, detail }
}

/** The verdict of a stage counts only once its tree is checked: a violation outranks any success. */
async function performChecked(
  environment: Environment,
  attempt: StageAttempt,
  signal: AbortSignal,
): Promise<StageOutcome> {
  try {
    const outcome = await environment.perform(attempt, signal)
    const { tree, commit, violations } = await environment.checkpoint(attempt)
    if (violations.length === 0) return { ...outcome, tree, commit }
    return {
      verdict: 'blocked',
      reason: 'policy_violation',
      detail: `Policy forbids what the stage changed: ${violations.slice(0, 5).join(', ')}`,
      artifacts: outcome.artifacts,
      tree,
      commit,
      spent: outcome.spent,
    }
  } catch (error) {
    const end = signal.aborted ? endOfAbort(signal) : endOfError(error)
    return {
      verdict: verdictOf(end),
      reason: end.reason,
      detail: end.detail,
      artifacts: [],
      tree: undefined,
      commit: undefined,
      spent: undefined,
    }
  }
}

function stageOf(plan: Plan, id: string): PlanStage {
  const stage = plan.stages.find((each) => each.id === id)
  if (stage === undefined) throw new Error(`Cannot find stage "${id}" in plan "${plan.name}"`)
  return stage
}
