import { z } from 'zod'
import { ArtifactId, RunId, Sha256, StepId } from './ids.ts'

export const ArtifactType = z.enum([
  'context_pack',
  'patch',
  'lint_report',
  'test_report',
  'command_report',
  'diff_report',
  'review_bundle',
  'commit',
  'summary',
  'receipt',
  'policy_snapshot',
  'output',
  'patch_applied',
  'tool_output',
  'transcript',
  'report',
])
export type ArtifactType = z.infer<typeof ArtifactType>

/** A named, typed output of a step; its bytes are found by `sha256`. */
export const Artifact = z.object({
  id: ArtifactId,
  runId: RunId,
  stepId: StepId.optional(),
  name: z.string().max(200),
  type: ArtifactType,
  mediaType: z.string(),
  sha256: Sha256,
  /** Bytes */
  size: z.number().int().nonnegative(),
  createdAt: z.number().int(),
})
export type Artifact = z.infer<typeof Artifact>
