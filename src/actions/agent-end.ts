/** How a stage ends, in one place: from a finish, a bound, a failure of the model, or an exception. */
import { type ErrorCode, OpenExecError, type PolicyDecision, type Reason } from '../schema/index.ts'
import { FAILURE_TABLE, modelError, type ModelFailure } from '../model/index.ts'
import type { FinishRequest } from '../tools/index.ts'
import type { StageEnd } from './agent-stage.ts'
import { BOUND_REASONS, describeExceeded, type Exceeded } from './budget.ts'

/** The runtime believes a schema, not a text: `done` is a claim that later stages check. */
export function finishedEnd({ status, summary }: FinishRequest): StageEnd {
  if (status === 'done')
    return { verdict: 'succeeded', reason: undefined, detail: summary, summary }
  const detail = `The agent ${status === 'blocked' ? 'is blocked' : 'gave up'}: ${summary}`
  return { verdict: 'failed', reason: 'agent_failed', detail, summary }
}

export function exceededEnd(exceeded: Exceeded): StageEnd {
  return {
    verdict: 'budget_exceeded',
    reason: BOUND_REASONS[exceeded.bound],
    detail: describeExceeded(exceeded),
    summary: '',
  }
}

export function modelFailureEnd(failure: ModelFailure, model: string): StageEnd {
  const { reason } = FAILURE_TABLE[failure.class]
  const { message } = modelError(failure, model)
  return { verdict: 'error', reason, detail: message, summary: '' }
}

export function failedEnd(reason: Reason, detail: string): StageEnd {
  return { verdict: 'failed', reason, detail, summary: '' }
}

export function approvalEnd(detail: string): StageEnd {
  return { verdict: 'awaiting_approval', reason: 'approval_required', detail, summary: '' }
}

/** A stage whose model policy does not let be called, or not without a person. */
export function refusedEnd({ decision, reason, matched }: PolicyDecision): StageEnd {
  const detail = `The model may not be called: ${reason} [${matched.join(', ')}]`
  if (decision === 'require_approval') return approvalEnd(detail)
  return { verdict: 'blocked', reason: 'policy_blocked', detail, summary: '' }
}

export function unpricedEnd(model: string): StageEnd {
  const detail = `No price is known for model "${model}", so its cost cannot be bounded`
  return { verdict: 'error', reason: 'not_configured', detail, summary: '' }
}

/** The end an exception means; `undefined` for a bug, which is not the stage's to explain. */
export function thrownEnd(error: unknown): StageEnd | undefined {
  if (!(error instanceof OpenExecError)) return undefined
  const reason = CODE_REASONS[error.code]
  if (reason === undefined) return undefined
  const verdict = reason === 'cancelled' ? 'cancelled' : 'error'
  return { verdict, reason, detail: error.message, summary: '' }
}

const CODE_REASONS: Partial<Record<ErrorCode, Reason>> = {
  cancelled: 'cancelled',
  sandbox_failed: 'sandbox_failed',
  sandbox_lost: 'sandbox_lost',
  sandbox_protocol_error: 'sandbox_protocol_error',
  engine_failed: 'engine_failed',
  engine_unavailable: 'engine_failed',
  workspace_failed: 'workspace_failed',
  model_failed: 'model_error',
  no_model_configured: 'no_model_configured',
  image_not_found: 'image_not_found',
  confinement_unsupported: 'confinement_unsupported',
  confinement_weaker: 'confinement_weaker',
}
