/** What a blueprint gets where it says nothing: every bound of a run is finite. */
import type { ApprovalMode, BudgetLimits } from '../schema/index.ts'

/** One number for each of the seven bounds. */
export type FullLimits = { [Key in keyof BudgetLimits]-?: number }

export const DEFAULTS = {
  /** The least any agent can do its work with. */
  toolset: 'repo_readonly',
  maxStepRetries: 2,
  approvalMode: 'on_risky_actions',
  maxStageExecutions: 50,
  /** Class of an agent stage; deterministic ones get that of their action. */
  agentTimeout: 'long',
  limits: {
    max_turns: 60,
    max_tokens: 400_000,
    max_cost_usd: 2,
    max_tool_calls: 200,
    max_wall: 3_600_000,
    max_output_bytes: 50_000_000,
    max_consecutive_errors: 5,
  },
} as const satisfies {
  toolset: string
  maxStepRetries: number
  approvalMode: ApprovalMode
  maxStageExecutions: number
  agentTimeout: string
  limits: FullLimits
}
