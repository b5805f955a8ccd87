/**
 * Performs one stage attempt: makes the context its action or agent may act through, and turns what
 * came of it into an outcome. It decides nothing: policy does at the gate, the checkpoint after it.
 */
import { executeNeeds, type GateRequest } from '../actions/index.ts'
import { OpenExecError } from '../schema/index.ts'
import { findToolset } from '../tools/index.ts'
import type { StageAttempt } from './engine.ts'
import type { StageOutcome } from './outcome.ts'
import { performAgent } from './perform-agent.ts'
import type { PlanStage } from './plan.ts'
import { type AgentOutcome, recordedAction } from './recorded-action.ts'
import { createScope, type StageDeps, type StageScope } from './stage-scope.ts'

/** What comes after the stage's own limit, for an action that does not end by itself. */
const STAGE_GRACE_MS = 5_000
/** What a timer can wait for. */
const TIMER_MS_MAX = 2 ** 31 - 1

/** Throws `timed_out` at the limit of the stage, and what `signal` was aborted with. */
export async function performStage(
  deps: StageDeps,
  attempt: StageAttempt,
  signal: AbortSignal,
): Promise<StageOutcome> {
  const { stage, goesOnSince } = attempt
  const limit = new AbortController()
  const ageMs = goesOnSince === undefined ? 0 : Math.max(0, deps.now() - goesOnSince)
  const timer = setTimeout(
    () => limit.abort(stageTimedOut(attempt)),
    Math.min(Math.max(0, stage.timeoutMs - ageMs) + STAGE_GRACE_MS, TIMER_MS_MAX),
  )
  try {
    const both = AbortSignal.any([signal, limit.signal])
    const result = await act(createScope(deps, attempt, both))
    // An agent ends quietly when it is stopped; why it was is told by the signal.
    if (result.status === 'cancelled') both.throwIfAborted()
    const { status, reason, summary } = result
    return { verdict: status, reason, detail: summary, spent: result.spent }
  } catch (error) {
    if (limit.signal.aborted && !signal.aborted) throw limit.signal.reason
    throw error
  } finally {
    clearTimeout(timer)
  }
}

async function act(scope: StageScope): Promise<AgentOutcome> {
  const { stage } = scope.attempt
  const first = stageNeeds(stage)
  if (stage.type === 'deterministic')
    return await recordedAction(scope, { name: stage.action, with: stage.with, first })
  const refusal = await executeNeeds(scope.context, first)
  return refusal ?? (await performAgent(scope, stage))
}

/** A stage that wants a person's word gets it before anything of it happens. */
function stageNeeds(stage: PlanStage): GateRequest[] {
  const approval = approvalOf(stage)
  if (approval === undefined) return []
  return [
    {
      capability: stage.type === 'agent' ? 'model_call' : 'repo_read',
      resource: { kind: 'name', name: stage.id },
      subject: `stage ${stage.id}`,
      approval,
    },
  ]
}

function approvalOf(stage: PlanStage): GateRequest['approval'] {
  if (stage.approvalRequired)
    return {
      by: 'blueprint:approval_required',
      reason: `The blueprint wants an approval before stage "${stage.id}"`,
    }
  if (stage.type === 'agent' && findToolset(stage.toolset).requires_approval)
    return {
      by: 'toolset:requires_approval',
      reason: `Toolset "${stage.toolset}" wants an approval before stage "${stage.id}"`,
    }
  return undefined
}

function stageTimedOut({ stage }: StageAttempt): OpenExecError {
  return new OpenExecError(
    'timed_out',
    `Cannot finish stage "${stage.id}": it took longer than ${stage.timeoutMs} ms`,
    { hint: 'Give the stage a longer timeout in the blueprint' },
  )
}
