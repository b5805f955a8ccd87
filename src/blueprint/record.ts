/** The two transactions of a stage attempt and those of a run: row and event together, always. */
import {
  type GitOid,
  hashJson,
  type Run,
  type RunId,
  type RunStatus,
  type Sha256,
  type StepId,
  TERMINAL_STATUSES,
} from '../schema/index.ts'
import { completeStep, insertStep, listSteps, transitionRun, updateRun } from '../state/index.ts'
import type { EngineDeps, Environment, StageAttempt } from './engine.ts'
import type { RunEnd, StageOutcome } from './outcome.ts'
import type { BlueprintPlan } from './plan.ts'
import { type EngineState, type Command, initialState, reduce } from './reduce.ts'

const STARTABLE: RunStatus[] = ['queued', 'paused', 'awaiting_approval', 'running']

/** Also closes attempts that a process left open when it died: they did not happen. */
export function beginRun({ state, timeline, now }: EngineDeps, run: Run): void {
  const first = run.startedAt === undefined
  state.transact((tx) => {
    for (const { id, verdict } of listSteps(tx, run.id))
      if (verdict === undefined)
        completeStep(tx, id, { verdict: 'error', reason: 'recovered', endedAt: now() })
    transitionRun(tx, run.id, {
      from: STARTABLE,
      patch: { status: 'running', reason: null, detail: null },
    })
    if (first) updateRun(tx, run.id, { startedAt: now() })
    timeline.append(tx, run.id, {
      type: first ? 'run_started' : 'run_resumed',
      payload: first ? { blueprint: run.blueprint } : { was: run.status },
    })
  })
}

/** Attempts count from 1 for each stage, over retries, loops and resumptions alike. */
export function nextAttempt({ state: { db } }: EngineDeps, runId: RunId, stage: string): number {
  return 1 + listSteps(db, runId).filter((step) => step.stage === stage).length
}

export function beginStep(deps: EngineDeps, runId: RunId, attempt: StageAttempt): StepId {
  const { stage, baseTree } = attempt
  const inputs = {
    stage: stage.id,
    attempt: attempt.attempt,
    base_tree: baseTree,
    inputs: stage.inputs,
  }
  const idempotencyKey: Sha256 = hashJson({ run: runId, ...inputs })
  // newId() writes the very pattern that the brand checks.
  const id = deps.newId('step') as StepId
  deps.state.transact((tx) => {
    insertStep(tx, {
      id,
      runId,
      stage: stage.id,
      attempt: attempt.attempt,
      idempotencyKey,
      baseTree,
      startedAt: deps.now(),
    })
    deps.timeline.append(tx, runId, {
      type: 'step_started',
      stage: stage.id,
      attempt: attempt.attempt,
      payload: { base_tree: baseTree, inputs: [...stage.inputs], input_hash: hashJson(inputs) },
      volatile: { step: id },
    })
  })
  return id
}

export function endStep(
  deps: EngineDeps,
  ended: { runId: RunId; step: StepId; attempt: StageAttempt; outcome: StageOutcome },
): void {
  const { runId, step, attempt, outcome } = ended
  const { verdict, reason, detail, tree, commit, artifacts } = outcome
  const startedAt = listSteps(deps.state.db, runId).find(({ id }) => id === step)?.startedAt
  const endedAt = deps.now()
  deps.state.transact((tx) => {
    completeStep(tx, step, {
      verdict,
      endedAt,
      ...(reason !== undefined && { reason }),
      ...(detail !== undefined && { detail }),
      ...(tree !== undefined && { tree }),
      ...(commit !== undefined && { commit }),
    })
    if (tree !== undefined) updateRun(tx, runId, { headTree: tree })
    deps.timeline.append(tx, runId, {
      type: 'step_completed',
      stage: attempt.stage.id,
      attempt: attempt.attempt,
      payload: {
        verdict,
        ...(reason !== undefined && { reason }),
        ...(tree !== undefined && { tree, commit: commit ?? null }),
        outputs: artifacts.map(({ name }) => name),
        ...(detail !== undefined && { detail: detail.slice(0, 2000) }),
      },
      volatile: {
        duration_ms: Math.max(0, endedAt - (startedAt ?? endedAt)),
        artifacts: artifacts.map(({ name, sha256 }) => ({ name, sha256 })),
      },
    })
  })
}

export function endRun({ state, timeline, now }: EngineDeps, id: RunId, end: RunEnd): void {
  const { status, reason, detail } = end
  const final = TERMINAL_STATUSES.some((terminal) => terminal === status)
  state.transact((tx) => {
    transitionRun(tx, id, {
      from: ['running'],
      patch: {
        status,
        reason: reason ?? null,
        detail: detail?.slice(0, 4000) ?? null,
        ...(final && { endedAt: now() }),
      },
    })
    const steps = listSteps(tx, id)
    timeline.append(tx, id, {
      type: final ? 'run_completed' : 'run_paused',
      payload: {
        status,
        reason: reason ?? null,
        tree: steps.findLast(({ tree }) => tree !== undefined)?.tree ?? null,
        stages: steps.map(
          ({ stage, attempt, verdict }) => `${stage}.${attempt}: ${verdict ?? 'open'}`,
        ),
      },
      volatile: { detail: detail?.slice(0, 4000) ?? null },
    })
  })
}

export interface RecordedState {
  state: EngineState
  command: Command
  /** Tree the next stage begins with. */
  tree: GitOid
  last: { retried: boolean; detail: string | undefined }
}

/**
 * Where the run stands: the recorded verdicts folded through the reducer. Attempts that were cut
 * short, by a crash or to wait for a person, are left out: their stage is entered again.
 */
export function recordedState(
  { state: { db } }: EngineDeps,
  { run, plan, environment }: { run: Run; plan: BlueprintPlan; environment: Environment },
): RecordedState {
  let { state, command } = reduce(plan, initialState(plan), { type: 'start' })
  let tree = environment.baseTree
  let detail: string | undefined
  for (const step of listSteps(db, run.id)) {
    const { verdict, reason } = step
    if (command.type !== 'run_stage' || verdict === undefined) break
    if (verdict === 'awaiting_approval' || verdict === 'cancelled' || reason === 'recovered')
      continue
    tree = step.tree ?? tree
    detail = step.detail
    ;({ state, command } = reduce(plan, state, { type: 'stage_ended', verdict, reason }))
  }
  return { state, command, tree, last: { retried: tree !== environment.baseTree, detail } }
}
