/** The two transactions of a stage attempt: row and event together, always. */
import {
  type ArtifactType,
  hashJson,
  type NewEvent,
  type RunId,
  type Sha256,
  type Step,
} from '../schema/index.ts'
import {
  completeStep,
  insertStep,
  listArtifacts,
  removeCommands,
  updateRun,
} from '../state/index.ts'
import type { Attempted } from './attempt-stage.ts'
import type { EngineDeps, StageAttempt } from './engine.ts'
import { plainText } from './plain-text.ts'
import { inputOf } from './recorded-state.ts'
import type { Input } from './run-state.ts'

type Deps = Pick<EngineDeps, 'state' | 'timeline' | 'now' | 'redact'>

/** Written before anything of the attempt happens; gives back when it began. */
export function beginStep(deps: Deps, runId: RunId, attempt: StageAttempt): number {
  const { step: id, stage, baseTree } = attempt
  const inputs = {
    stage: stage.id,
    attempt: attempt.attempt,
    base_tree: baseTree,
    inputs: stage.inputs,
  }
  const idempotencyKey: Sha256 = hashJson({ run: runId, ...inputs })
  const startedAt = deps.now()
  deps.state.transact((tx) => {
    insertStep(tx, {
      id,
      runId,
      stage: stage.id,
      attempt: attempt.attempt,
      idempotencyKey,
      baseTree,
      startedAt,
    })
    deps.timeline.append(tx, runId, {
      type: 'step_started',
      stage: stage.id,
      attempt: attempt.attempt,
      payload: { base_tree: baseTree, inputs: [...stage.inputs], input_hash: hashJson(inputs) },
      volatile: { step: id },
    })
  })
  return startedAt
}

export interface EndedStep {
  /** As it is recorded. */
  step: Pick<Step, 'verdict' | 'tree' | 'commit'>
  input: Input
}

/** What of an attempt counts from now on, a crash after it or not. */
export function endStep(
  deps: Deps,
  runId: RunId,
  ended: { attempt: StageAttempt; attempted: Attempted; startedAt: number },
): EndedStep {
  const { attempt, attempted, startedAt } = ended
  const { verdict, reason } = attempted.outcome
  const { tree, commit } = attempted.checkpoint ?? {}
  const endedAt = Math.max(startedAt, deps.now())
  const shown = attempted.outcome.detail
  const detail = shown === undefined ? undefined : plainText(deps.redact(shown))
  const completion = {
    verdict,
    endedAt,
    ...(reason !== undefined && { reason }),
    ...(detail !== undefined && { detail }),
    ...(tree !== undefined && { tree }),
    ...(commit !== undefined && { commit }),
  }
  return deps.state.transact((tx) => {
    completeStep(tx, attempt.step, completion)
    removeCommands(tx, attempt.step)
    // What a stage that waits has done so far is done again when it goes on.
    if (tree !== undefined && verdict !== 'awaiting_approval')
      updateRun(tx, runId, { headTree: tree })
    const made = listArtifacts(tx, runId).filter(({ stepId }) => stepId === attempt.step)
    const artifacts = made
      .filter(({ type }) => !BY_THE_WAY.includes(type))
      .map(({ name, sha256 }) => ({ name, sha256 }))
    deps.timeline.append(tx, runId, [
      ...checkpointEvents(attempt, attempted),
      completedEvent(attempt, attempted, { detail, artifacts, durationMs: endedAt - startedAt }),
    ])
    const names = made.map(({ name }) => name)
    return { step: completion, input: inputOf(completion, names) }
  })
}

/** What comes of any work, and not of the stage as its blueprint sees it. */
const BY_THE_WAY: readonly ArtifactType[] = ['output', 'tool_output', 'transcript']

function checkpointEvents({ stage, attempt }: StageAttempt, { checkpoint }: Attempted): NewEvent[] {
  if (checkpoint?.commit === undefined) return []
  const { tree, commit, changed, diff } = checkpoint
  return [
    {
      type: 'checkpoint',
      stage: stage.id,
      attempt,
      payload: { tree, commit, changed, ...(diff !== undefined && { diff }) },
    },
  ]
}

interface Ending {
  detail: string | undefined
  artifacts: { name: string; sha256: string }[]
  durationMs: number
}

/** Artifacts listed in one event; beyond that the table tells. */
const ARTIFACTS_SHOWN_MAX = 100

/** The words of an exception may hold ids, sizes and times, which the replay hash must not cover. */
function completedEvent(
  { stage, attempt }: StageAttempt,
  { outcome, checkpoint, thrown }: Attempted,
  { detail, artifacts, durationMs }: Ending,
): NewEvent {
  const { verdict, reason, spent } = outcome
  const shown = artifacts.slice(0, ARTIFACTS_SHOWN_MAX)
  return {
    type: 'step_completed',
    stage: stage.id,
    attempt,
    payload: {
      verdict,
      ...(reason !== undefined && { reason }),
      ...(checkpoint !== undefined && {
        tree: checkpoint.tree,
        commit: checkpoint.commit ?? null,
      }),
      outputs: shown.map(({ name }) => name),
      ...(detail !== undefined && !thrown && { detail }),
    },
    volatile: {
      duration_ms: durationMs,
      artifacts: shown,
      ...(spent !== undefined && { spent }),
      ...(detail !== undefined && thrown && { detail }),
    },
  }
}
