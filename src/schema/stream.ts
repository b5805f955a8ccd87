/** Frames of a run's stream as they travel: output bytes as base64, so that none is lost. */
import { z } from 'zod'
import { Event } from './event.ts'
import { RunStatus } from './run.ts'

export const WireFrame = z.discriminatedUnion('type', [
  z.object({ type: z.literal('event'), event: Event }),
  z.object({
    type: z.literal('output'),
    /** Names the command: `<stage>.<attempt>.<name>`. */
    step: z.string(),
    stream: z.enum(['stdout', 'stderr']),
    /** Bytes of this stream before `data`. */
    offset: z.number().int().nonnegative(),
    data: z.base64(),
  }),
  z.object({ type: z.literal('end'), status: RunStatus, exit_code: z.number().int() }),
])
export type WireFrame = z.infer<typeof WireFrame>
