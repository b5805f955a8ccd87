/** By what a sandbox of a run is found again when the process that opened it has died. */
import { z } from 'zod'
import { Receipt } from '../schema/index.ts'

export const SandboxSession = z.object({
  version: z.literal(1),
  /** Id of the sandbox, `sbx_…`. */
  id: z.string(),
  /** Id of the container on the engine. */
  container: z.string(),
  /** Session key of the pipe: a secret. */
  key: z.string().regex(/^[0-9a-f]{64}$/),
  /** The whole environment of a command that adds nothing. */
  env: z.record(z.string(), z.string()),
  receipt: Receipt,
})
export type SandboxSession = z.infer<typeof SandboxSession>
