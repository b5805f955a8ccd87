/** How a stage or a run ended, and how errors become that: a closed table, by code only. */
import {
  type DiffStat,
  type ErrorCode,
  type GitOid,
  type JsonObject,
  OpenExecError,
  Reason,
  type RunStatus,
  type Verdict,
} from '../schema/index.ts'

export interface StageOutcome {
  verdict: Verdict
  reason: Reason | undefined
  /** One or two sentences for a person. */
  detail: string | undefined
  /** What an agent used of the run's budget. */
  spent: JsonObject | undefined
}

/** What the attempt made of the tree; `undefined` when nobody could look. */
export interface Checkpoint {
  tree: GitOid
  commit: GitOid | undefined
  /** Paths that differ from the tree the attempt began with. */
  changed: number
  /** What the run has changed so far, where the attempt changed something. */
  diff: DiffStat | undefined
  /** Changed paths that policy forbids, for people. */
  violations: string[]
}

export interface RunEnd {
  status: RunStatus
  reason: Reason | undefined
  detail: string | undefined
}

const REASON_OF: Partial<Record<ErrorCode, Reason>> = {
  no_model_configured: 'no_model_configured',
  image_not_found: 'image_not_found',
  config_invalid: 'not_configured',
  bad_request: 'not_configured',
  policy_denied: 'policy_blocked',
  confinement_unsupported: 'confinement_unsupported',
  confinement_weaker: 'confinement_weaker',
  approval_required: 'approval_required',
  budget_exceeded: 'cost_limit',
  timed_out: 'timed_out',
  cancelled: 'cancelled',
  command_not_startable: 'command_not_found',
  patch_rejected: 'patch_rejected',
  engine_unavailable: 'engine_failed',
  engine_too_old: 'engine_failed',
  engine_failed: 'engine_failed',
  sandbox_failed: 'sandbox_failed',
  sandbox_lost: 'sandbox_lost',
  sandbox_protocol_error: 'sandbox_protocol_error',
  workspace_failed: 'workspace_failed',
  repository_invalid: 'workspace_failed',
  repository_unsafe: 'workspace_failed',
  model_failed: 'model_error',
  state_unusable: 'state_failed',
  state_corrupt: 'state_failed',
  state_too_new: 'state_failed',
}

/** Anything that is no known failure is a bug and reads as `internal`. */
export function endOfError(error: unknown): RunEnd {
  if (!(error instanceof OpenExecError))
    return {
      status: 'failed',
      reason: 'internal',
      detail: `Internal error: ${error instanceof Error ? error.message : String(error)}`,
    }
  const reason = reasonOf(error)
  const detail = error.hint === undefined ? error.message : `${error.message}. ${error.hint}`
  if (reason === 'cancelled') return { status: 'cancelled', reason, detail }
  if (reason === 'approval_required') return { status: 'awaiting_approval', reason, detail }
  if (reason === 'cost_limit') return { status: 'budget_exceeded', reason, detail }
  return { status: 'failed', reason, detail }
}

function reasonOf({ code, details }: OpenExecError): Reason {
  const named = Reason.safeParse(details?.['reason']).data
  if (named !== undefined) return named
  // A workspace with more files or bytes than a snapshot takes; its wall clock is the host's matter.
  const limit = details?.['limit']
  if (code === 'workspace_failed' && limit !== undefined && limit !== 'wall') return 'disk_limit'
  return REASON_OF[code] ?? 'internal'
}

/** A run's signal is aborted with the `OpenExecError` that says why. */
export function endOfAbort(signal: AbortSignal): RunEnd {
  const end = endOfError(signal.reason)
  if (end.reason === 'timed_out') return { ...end, reason: 'wall_limit' }
  return end.reason === 'internal'
    ? { status: 'cancelled', reason: 'cancelled', detail: undefined }
    : end
}

const BLOCKED: readonly Reason[] = [
  'policy_blocked',
  'policy_violation',
  'confinement_unsupported',
  'confinement_weaker',
  'network_unavailable',
]

/** What another attempt would meet again: a finding, not a crash. */
const FOUND: readonly Reason[] = [
  'not_configured',
  'no_model_configured',
  'image_not_found',
  'command_not_found',
  'patch_rejected',
  'disk_limit',
  'out_of_memory',
  'script_mismatch',
]

/** The verdict of a stage attempt that ended with an error. */
export function verdictOf({ status, reason }: RunEnd): Verdict {
  if (status === 'cancelled' || status === 'awaiting_approval' || status === 'budget_exceeded')
    return status
  if (reason === undefined) return 'error'
  if (reason === 'timed_out' || reason === 'wall_limit') return 'timed_out'
  if (BLOCKED.includes(reason)) return 'blocked'
  return FOUND.includes(reason) ? 'failed' : 'error'
}
