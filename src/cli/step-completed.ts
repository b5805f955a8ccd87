import { z } from 'zod'
import { Reason, Verdict } from '../schema/index.ts'

/** What a `step_completed` event says that a person wants to read. */
export const StepCompleted = z.object({
  payload: z.object({
    verdict: Verdict,
    reason: Reason.optional(),
    /** What the stage found. */
    detail: z.string().optional(),
  }),
  volatile: z.object({
    duration_ms: z.number(),
    /** What kept the stage from finding anything; it names things of this machine. */
    detail: z.string().optional(),
  }),
})
