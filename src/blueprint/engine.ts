/**
 * The execution loop: load the run, take the next stage, perform it, check what it made of the tree,
 * persist, and so on until the reducer says it is over. It knows no container, no git, no model and
 * no test: those are behind `Environment`. Each stage attempt is two transactions with the effect in
 * between, so that a crash at any point leaves something `executeRun()` can go on from.
 */
import {
  type Clock,
  type GitOid,
  type NewId,
  OpenExecError,
  type Run,
  type RunId,
  type Step,
  StepId,
} from '../schema/index.ts'
import type { Timeline } from '../events/index.ts'
import { getRun, type State } from '../state/index.ts'
import { attemptStage } from './attempt-stage.ts'
import {
  type Checkpoint,
  endOfAbort,
  endOfError,
  type RunEnd,
  type StageOutcome,
} from './outcome.ts'
import type { Plan, PlanStage } from './plan.ts'
import { beginRun, endRun, settleCut, tellLeftBehind } from './record-run.ts'
import { beginStep, endStep } from './record-step.ts'
import { recordedState, treeAfter } from './recorded-state.ts'
import { reduce } from './reduce.ts'

/** Everything a run touches outside of state; opened once, closed whatever happens. */
export interface Environment {
  baseTree: GitOid
  /** The attempt of an earlier process that goes on in it. */
  goesOn: Step | undefined
  /** Throws when the stage could not be judged; what it left in the tree is unknown then. */
  perform(attempt: StageAttempt, signal: AbortSignal): Promise<StageOutcome>
  /** Snapshots the tree and holds it against the path rules. */
  checkpoint(attempt: StageAttempt, signal: AbortSignal): Promise<Checkpoint>
  /** Puts a tree back before a stage is tried again; what the attempt left in the sandbox goes too. */
  restore(tree: GitOid, signal: AbortSignal): Promise<void>
  /** Removes sandbox and workspace; nothing of the run stays on the machine. */
  close(): Promise<void>
}

export interface StageAttempt {
  step: StepId
  stage: PlanStage
  attempt: number
  baseTree: GitOid
  /** Number of the checkpoint it makes if it changes the tree, from 1 in each run. */
  checkpoint: number
  /** When an earlier process has begun it (epoch `ms`), for one that goes on. */
  goesOnSince: number | undefined
}

/** A run with what was frozen when it was submitted. */
export interface LoadedRun {
  plan: Plan
  /** Wall-clock limit of the run, in `ms`. */
  wallMs: number
  open(signal: AbortSignal): Promise<Environment>
}

export interface ExecutionSignal {
  /** Its reason is the `OpenExecError` that says why: `timed_out` at the deadline of the run. */
  signal: AbortSignal
  stop(): void
}

export interface EngineDeps {
  state: State
  timeline: Timeline
  now: Clock
  newId: NewId
  /** Takes secrets out of a text. */
  redact(text: string): string
  /** Throws `conflict` when the run cannot go on here; it is left as it is then. */
  load(run: Run): Promise<LoadedRun>
  /** Aborts with the caller, on a request to cancel, and at the deadline (epoch `ms`). */
  watch(
    id: RunId,
    until: { caller: AbortSignal; deadlineAt: number; wallMs: number },
  ): ExecutionSignal
}

export interface Engine {
  /**
   * Executes a run its caller owns to an end. Failures are the run's status and reason, never an
   * exception; only a broken state database throws, and `conflict` for a run that cannot go on here.
   */
  executeRun(id: RunId, caller: AbortSignal): Promise<Run>
}

export function createEngine(deps: EngineDeps): Engine {
  return {
    async executeRun(id, caller) {
      const run = getRun(deps.state.db, id)
      const loaded = await loadOrEnd(deps, run)
      if (loaded !== undefined) {
        const { wallMs } = loaded
        const deadlineAt = beginRun(deps, run, wallMs)
        const execution = deps.watch(id, { caller, deadlineAt, wallMs })
        try {
          endRun(deps, id, await runToEnd(deps, { run, loaded }, execution.signal))
        } finally {
          execution.stop()
        }
      }
      return getRun(deps.state.db, id)
    },
  }
}

/** A run whose frozen documents are damaged has its end here. */
async function loadOrEnd(deps: EngineDeps, run: Run): Promise<LoadedRun | undefined> {
  try {
    return await deps.load(run)
  } catch (error) {
    if (error instanceof OpenExecError && error.code === 'conflict') throw error
    beginRun(deps, run, 0)
    endRun(deps, run.id, endOfError(error))
    return undefined
  }
}

async function runToEnd(
  deps: EngineDeps,
  { run, loaded }: { run: Run; loaded: LoadedRun },
  signal: AbortSignal,
): Promise<RunEnd> {
  let environment: Environment | undefined
  try {
    if (signal.aborted) return endOfAbort(signal)
    environment = await loaded.open(signal)
    settleCut(deps, run.id, environment.goesOn !== undefined)
    return await runStages(deps, { run, plan: loaded.plan, environment }, signal)
  } catch (error) {
    return signal.aborted ? endOfAbort(signal) : endOfError(error)
  } finally {
    await environment?.close().catch((error: unknown) => tellLeftBehind(deps, run.id, error))
  }
}

interface Opened {
  run: Run
  plan: Plan
  environment: Environment
}

async function runStages(deps: EngineDeps, opened: Opened, signal: AbortSignal): Promise<RunEnd> {
  const { run, plan, environment } = opened
  let { state, command, tree, restore, checkpoints } = recordedState(deps.state.db, opened)
  let { goesOn } = environment
  while (command.type === 'run_stage') {
    if (signal.aborted) return endOfAbort(signal)
    if (restore) await environment.restore(tree, signal)
    const attempt: StageAttempt = {
      step: goesOn?.id ?? StepId.parse(deps.newId('step')),
      stage: stageOf(plan, command.stage),
      attempt: command.attempt,
      baseTree: tree,
      checkpoint: checkpoints + 1,
      goesOnSince: goesOn?.startedAt,
    }
    const startedAt = goesOn?.startedAt ?? beginStep(deps, run.id, attempt)
    goesOn = undefined
    const attempted = await attemptStage(environment, attempt, signal)
    const ended = endStep(deps, run.id, { attempt, attempted, startedAt })
    // An attempt that was cut short says nothing about the stage.
    if (signal.aborted && attempted.thrown) return endOfAbort(signal)
    tree = treeAfter(tree, ended.step)
    restore = tree !== ended.step.tree
    checkpoints += ended.step.commit === undefined ? 0 : 1
    ;({ state, command } = reduce(plan, state, ended.input))
  }
  const { status, reason, detail } = command
  return { status, reason, detail }
}

function stageOf(plan: Plan, id: string): PlanStage {
  const stage = plan.stages.find((each) => each.id === id)
  if (stage === undefined) throw new Error(`Cannot find stage "${id}" in plan "${plan.name}"`)
  return stage
}
