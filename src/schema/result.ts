/** What `--json` prints at the end of a run, and how a run's end becomes an exit code. */
import { z } from 'zod'
import { ArtifactId, RunId, Sha256 } from './ids.ts'
import { Reason } from './reason.ts'
import { type Run, RunStatus, Verdict } from './run.ts'

export const DiffStat = z.object({
  files: z.number().int().nonnegative(),
  insertions: z.number().int().nonnegative(),
  deletions: z.number().int().nonnegative(),
})
export type DiffStat = z.infer<typeof DiffStat>

export const RunResult = z.object({
  run: RunId,
  status: RunStatus,
  exit_code: z.number().int().min(0).max(255),
  reason: Reason.optional(),
  detail: z.string().optional(),
  stages: z.array(
    z.object({
      id: z.string(),
      attempt: z.number().int().positive(),
      verdict: Verdict,
      reason: Reason.optional(),
      detail: z.string().optional(),
      duration_ms: z.number().int().nonnegative(),
    }),
  ),
  artifacts: z.array(
    z.object({
      name: z.string(),
      id: ArtifactId,
      sha256: Sha256,
      size: z.number().int().nonnegative(),
    }),
  ),
  diff: DiffStat,
  /** What may have gone wrong and how to find out; guesses, left out when there are none. */
  hints: z.array(z.string()).optional(),
  /** What the run reached and was denied; left out when it asked for nothing. */
  network: z
    .array(
      z.object({
        host: z.string(),
        port: z.number().int(),
        decision: z.enum(['allowed', 'denied', 'failed']),
        rule: z.string(),
        /** What to change in the policy, where it is denied and that would help. */
        remedy: z.string(),
        connections: z.number().int(),
        bytes_in: z.number().int(),
        bytes_out: z.number().int(),
      }),
    )
    .optional(),
})
export type RunResult = z.infer<typeof RunResult>

/** Reasons whose exit code is not the one of their status. */
const REASON_EXIT: Partial<Record<Reason, number>> = {
  not_configured: 2,
  image_not_found: 2,
  no_model_configured: 3,
  approval_required: 4,
  policy_blocked: 5,
  policy_violation: 5,
  network_unavailable: 5,
  confinement_unsupported: 5,
  approval_rejected: 5,
  approval_expired: 5,
  timed_out: 124,
  wall_limit: 124,
  queue_expired: 124,
  confinement_weaker: 125,
  sandbox_failed: 125,
  sandbox_lost: 125,
  sandbox_protocol_error: 125,
  engine_failed: 125,
  workspace_failed: 125,
  state_failed: 125,
  model_error: 125,
  orphaned: 125,
  internal: 125,
}

const STATUS_EXIT: Record<RunStatus, number> = {
  queued: 0,
  running: 0,
  succeeded: 0,
  failed: 1,
  awaiting_approval: 4,
  paused: 4,
  budget_exceeded: 6,
  cancelled: 130,
}

/** The one mapping from how a run stands to the exit code of the CLI. */
export function exitCodeOf({ status, reason }: Pick<Run, 'status' | 'reason'>): number {
  const special = status === 'failed' && reason !== undefined ? REASON_EXIT[reason] : undefined
  return special ?? STATUS_EXIT[status]
}
