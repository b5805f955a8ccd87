import { z } from 'zod'

/** Why a stage or a run ended as it did. A closed list: exit codes and comparisons depend on it. */
export const Reason = z.enum([
  // findings
  'exit_nonzero',
  'lint_failed',
  'tests_failed',
  'command_not_found',
  'patch_rejected',
  'invalid_output',
  'agent_failed',
  'nothing_to_do',
  // configuration
  'not_configured',
  'no_model_configured',
  'image_not_found',
  // limits
  'timed_out',
  'output_limit',
  'disk_limit',
  'out_of_memory',
  'turn_limit',
  'token_limit',
  'cost_limit',
  'tool_call_limit',
  'wall_limit',
  'queue_expired',
  'consecutive_errors',
  'stuck',
  'retry_exhausted',
  'stage_execution_limit',
  // safety
  'policy_blocked',
  'policy_violation',
  'network_unavailable',
  'confinement_unsupported',
  'confinement_weaker',
  'approval_required',
  'approval_rejected',
  'approval_expired',
  // infrastructure
  'model_error',
  'script_mismatch',
  'sandbox_failed',
  'sandbox_lost',
  'sandbox_protocol_error',
  'engine_failed',
  'workspace_failed',
  'state_failed',
  'recovered',
  'orphaned',
  'cancelled',
  'internal',
])
export type Reason = z.infer<typeof Reason>
