/**
 * The execution loop: load the run, take the next stage, perform it, check what it made of the tree,
 * persist, and so on until the reducer says it is over. It knows no container, no git, no model and
 * no test: those are behind `Environment`. Each stage attempt is two transactions with the effect in
 * between, so that a crash at any point leaves something `executeRun()` can go on from.
 */
import type { Clock, GitOid, NewId, Reason, Run, RunId } from '../schema/index.ts'
import type { Timeline } from '../events/index.ts'
import { getRun, type State } from '../state/index.ts'
import { endOfAbort, endOfError, type RunEnd, type StageOutcome } from './outcome.ts'
import type { BlueprintPlan, StagePlan } from './plan.ts'
import { reduce } from './reduce.ts'
import { beginRun, beginStep, endRun, endStep, nextAttempt, recordedState } from './record.ts'

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
  stage: StagePlan
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
  loadPlan(run: Run): BlueprintPlan
  /** `stages` are those that were completed before, when the run goes on after an interruption. */
  open(run: Run, plan: BlueprintPlan, signal: AbortSignal): Promise<Environment>
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
    const plan = deps.loadPlan(run)
    environment = await deps.open(run, plan, signal)
    return await runStages(deps, { run, plan, environment }, signal)
  } catch (error) {
    return signal.aborted ? endOfAbort(signal) : endOfError(error)
  } finally {
    await environment?.close()
  }
}

interface Opened {
  run: Run
  plan: BlueprintPlan
  environment: Environment
}

async function runStages(deps: EngineDeps, opened: Opened, signal: AbortSignal): Promise<RunEnd> {
  const { run, plan, environment } = opened
  let { state, command, tree, last } = recordedState(deps, opened)
  while (command.type === 'run_stage') {
    if (signal.aborted) return endOfAbort(signal)
    if (last.retried) await environment.restore(tree)
    const stage = stageOf(plan, command.stage)
    const attempt = { stage, attempt: nextAttempt(deps, run.id, stage.id), baseTree: tree }
    const step = beginStep(deps, run.id, attempt)
    const outcome = await performChecked(environment, attempt, signal)
    endStep(deps, { runId: run.id, step, attempt, outcome })
    if (signal.aborted) return endOfAbort(signal)
    tree = outcome.tree ?? tree
    const { verdict, reason } = outcome
    last = { ...outcome, retried: verdict === 'error' || verdict === 'timed_out' }
    ;({ state, command } = reduce(plan, state, { type: 'stage_ended', verdict, reason }))
  }
  return { status: command.status, reason: command.reason, detail: last.detail }
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
    }
  } catch (error) {
    const end = signal.aborted ? endOfAbort(signal) : endOfError(error)
    return {
      ...verdictOf(end),
      detail: end.detail,
      artifacts: [],
      tree: undefined,
      commit: undefined,
    }
  }
}

function verdictOf(end: RunEnd): Pick<StageOutcome, 'verdict' | 'reason'> {
  if (end.status === 'cancelled') return { verdict: 'cancelled', reason: 'cancelled' }
  const timedOut: Reason[] = ['timed_out', 'wall_limit']
  const verdict = end.reason !== undefined && timedOut.includes(end.reason) ? 'timed_out' : 'error'
  return { verdict, reason: end.reason }
}

function stageOf(plan: BlueprintPlan, id: string): StagePlan {
  const stage = plan.stages.find((each) => each.id === id)
  if (stage === undefined) throw new Error(`Cannot find stage "${id}" in plan "${plan.name}"`)
  return stage
}
