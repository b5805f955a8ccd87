/** The two transactions of a stage attempt and those of a run: row and event together, always. */
import {
  type GitOid,
  hashJson,
  type Run,
  type RunId,
  type RunStatus,
  type Sha256,
  TERMINAL_STATUSES,
} from '../schema/index.ts'
import { completeStep, insertStep, listArtifacts, listSteps, transitionRun, updateRun } from '../state/index.ts'
import type { EngineDeps, Environment, StageAttempt } from './engine.ts'
import type { RunEnd, StageOutcome } from './outcome.ts'
import type { Plan } from './plan.ts'
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

export function beginStep(deps: EngineDeps, runId: RunId, attempt: StageAttempt): void {
  const { step: id, stage, baseTree } = attempt
  const inputs = {
    stage: stage.id,
    attempt: attempt.attempt,
    base_tree: baseTree,
    inputs: stage.inputs,
  }
  const idempotencyKey: Sha256 = hashJson({ run: runId, ...inputs })
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
}

export function endStep(
  deps: EngineDeps,
  runId: RunId,
  { attempt, outcome }: { attempt: StageAttempt; outcome: StageOutcome },
): void {
  const { step } = attempt
  const { verdict, reason, detail, tree, commit, artifacts, spent } = outcome
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
        ...(spent !== undefined && { spent }),
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
  /** Whether the workspace does not hold that tree yet. */
  restore: boolean
}

/**
 * Where the run stands: the recorded verdicts folded through the reducer. An attempt that was cut
 * short by a crash is entered again, and so is a stage that waited for a person.
 */
export function recordedState(
  { state: { db } }: EngineDeps,
  { run, plan, environment }: { run: Run; plan: Plan; environment: Environment },
): RecordedState {
  let { state, command } = reduce(plan, initialState(plan), { type: 'start' })
  let tree = environment.baseTree
  const goOn = () => {
    if (state.phase === 'awaiting_approval') ({ state, command } = reduce(plan, state, { type: 'start' }))
  }
  const artifacts = listArtifacts(db, run.id)
  for (const step of listSteps(db, run.id)) {
    goOn()
    // An attempt that never ended was cut short; one that did may have no reason at all.
    const { verdict = 'error', reason = step.verdict === undefined ? 'recovered' : undefined, detail } = step
    const produced = artifacts.filter(({ stepId }) => stepId === step.id).map(({ name }) => name)
    if (verdict !== 'error' && verdict !== 'timed_out') tree = step.tree ?? tree
    ;({ state, command } = reduce(plan, state, { type: 'stage_ended', verdict, reason, detail, produced }))
  }
  goOn()
  return { state, command, tree, restore: tree !== environment.baseTree }
}
