/** What is found when the record of a run is checked, or gone through again. */
import { z } from 'zod'
import { RunId } from './ids.ts'

export const AuditReport = z.object({
  run: RunId,
  ok: z.boolean(),
  /** Events whose hashes hold, from the first. */
  events: z.number().int(),
  /** Whether the last of them ends the run. */
  complete: z.boolean(),
  replay_hash: z.string(),
  audit_hash: z.string(),
  /** Lines of `timeline.jsonl` that say the same. */
  copy_lines: z.number().int(),
  /** Artifacts that were read and held against their hash. */
  artifacts: z.number().int(),
  problems: z.array(z.string()),
})
export type AuditReport = z.infer<typeof AuditReport>

export const ReplayReport = z.object({
  run: RunId,
  ok: z.boolean(),
  events: z.number().int(),
  /** Events that the program made again, whole. */
  remade: z.number().int(),
  /** Events that tell what the world did. */
  recorded: z.number().int(),
  /** Agent stages that were gone through again. */
  agents: z.number().int(),
  replay_hash: z.string(),
  divergence: z
    .object({
      seq: z.number().int(),
      type: z.string(),
      stage: z.string().nullable(),
      /** Member of the payload that differs. */
      at: z.string(),
      /** As JSON. */
      recorded: z.string(),
      replayed: z.string(),
    })
    .nullable(),
  notes: z.array(z.string()),
})
export type ReplayReport = z.infer<typeof ReplayReport>
