/** The blueprint DSL, version 1: workflow shape only. Cross-field rules live in `blueprint/check.ts`. */
import { z } from 'zod'
import { SandboxMode } from './policy.ts'
import { ByteSize, Duration, Timeout } from './units.ts'

const Name = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,63}$/, 'Expected a name of a-z, 0-9 and _, at most 64 characters')
const Count = z.number().int().positive().max(1_000_000)
const Labels = z.array(Name).max(32)

/** The seven bounds of a run, stage or call; all finite. */
export const BudgetLimits = z.strictObject({
  max_turns: Count.optional(),
  max_tokens: z.number().int().positive().max(1_000_000_000).optional(),
  max_cost_usd: z.number().positive().max(100_000).optional(),
  max_tool_calls: Count.optional(),
  max_wall: Duration.optional(),
  max_output_bytes: ByteSize.optional(),
  max_consecutive_errors: Count.optional(),
})
export type BudgetLimits = z.infer<typeof BudgetLimits>

const BlueprintLimits = z.strictObject({
  ...BudgetLimits.shape,
  max_stage_executions: z.number().int().positive().max(1000).optional(),
})
type BlueprintLimits = z.infer<typeof BlueprintLimits>

const stageFields = {
  id: Name,
  inputs: Labels.optional(),
  outputs: Labels.optional(),
  sandbox: SandboxMode.optional(),
  network: z.array(z.string()).max(256).optional(),
  limits: BudgetLimits.optional(),
  retry_limit: z.number().int().min(0).max(100).optional(),
  approval_required: z.boolean().optional(),
  timeout: Timeout.optional(),
  on_success: Name.optional(),
  on_failure: Name.optional(),
  on_skipped: Name.optional(),
}

export const DeterministicStage = z.strictObject({
  ...stageFields,
  type: z.literal('deterministic'),
  action: z.string(),
  with: z.record(z.string(), z.json()).optional(),
})
export type DeterministicStage = z.infer<typeof DeterministicStage>

export const AgentStage = z.strictObject({
  ...stageFields,
  type: z.literal('agent'),
  goal: z.string().min(1).max(4000),
  toolset: z.string().optional(),
})
export type AgentStage = z.infer<typeof AgentStage>

export const Stage = z.discriminatedUnion('type', [DeterministicStage, AgentStage])
export type Stage = z.infer<typeof Stage>

export const ApprovalMode = z.enum(['never', 'on_risky_actions', 'always'])
export type ApprovalMode = z.infer<typeof ApprovalMode>

export const Blueprint = z.strictObject({
  version: z.literal(1),
  name: Name,
  description: z.string().max(1000),
  defaults: z
    .strictObject({
      toolset: z.string().optional(),
      sandbox: SandboxMode.optional(),
      max_step_retries: z.number().int().min(0).max(100).optional(),
      approval_mode: ApprovalMode.optional(),
    })
    .optional(),
  limits: BlueprintLimits.optional(),
  stages: z.array(Stage).min(1).max(100),
})
export type Blueprint = z.infer<typeof Blueprint>
