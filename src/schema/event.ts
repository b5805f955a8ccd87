/**
 * The timeline. `payload` is what an exact re-execution repeats; `volatile` is what it may not
 * (durations, host paths, ids of containers). The replay hash covers the first, the audit hash both.
 */
import { z } from 'zod'
import { RunId, Sha256 } from './ids.ts'
import { JsonObject } from './json.ts'

export const EventType = z.enum([
  'run_created',
  'run_started',
  'run_recovered',
  'run_paused',
  'run_resumed',
  'run_cancel_requested',
  'run_completed',
  'step_started',
  'step_completed',
  'policy_check',
  'tool_call',
  'model_invocation',
  'context_view',
  'artifact_created',
  'command_started',
  'command_completed',
  'egress',
  'approval_requested',
  'approval_decided',
  'sandbox_started',
  'sandbox_receipt',
  'sandbox_removed',
  'workspace_created',
  'workspace_removed',
  'checkpoint',
  'notice',
])
export type EventType = z.infer<typeof EventType>

/** An event as its author knows it; `publish` gives it its place in the chain. */
export const NewEvent = z.object({
  type: EventType,
  stage: z.string().optional(),
  attempt: z.number().int().positive().optional(),
  /** `seq` of the event that led to this one. */
  cause: z.number().int().positive().optional(),
  payload: JsonObject,
  volatile: JsonObject.optional(),
})
export type NewEvent = z.infer<typeof NewEvent>

export const Event = z.object({
  v: z.literal(1),
  run: RunId,
  /** Gapless from 1 in each run. */
  seq: z.number().int().positive(),
  /** Epoch `ms`; part of the audit hash only. */
  ts: z.number().int(),
  type: EventType,
  stage: z.string().optional(),
  attempt: z.number().int().positive().optional(),
  cause: z.number().int().positive().optional(),
  payload: JsonObject,
  volatile: JsonObject,
  /** Audit hash of the event before; 64 zeros for the first. */
  prev: Sha256,
  /** Chained over the replayable part only. */
  replayHash: Sha256,
  /** Audit hash: covers everything above. */
  hash: Sha256,
})
export type Event = z.infer<typeof Event>
