import { z } from 'zod'
import { SandboxSession } from '../sandbox/index.ts'

/** What is kept of a sandbox for the process that comes after this one. */
export const KeptSession = z.object({
  session: SandboxSession,
  /** Of its confinement. */
  digest: z.string(),
  stage: z.string(),
})
export type KeptSession = z.infer<typeof KeptSession>
