/** How a client sends commits that a server lacks: offered, then in parts, then checked as a whole. */
import { z } from 'zod'
import { GitOid } from './ids.ts'

/** Bytes of one part. */
export const UPLOAD_PART_BYTES = 4 * 1024 * 1024
export const UPLOAD_BYTES_MAX = 2 * 1024 ** 3

export const OfferUpload = z.strictObject({
  /** What clones of the repository have in common: the commit its history begins with. */
  key: GitOid,
  object_format: z.enum(['sha1', 'sha256']).default('sha1'),
  /** Commits at which the history of a shallow clone ends. */
  shallow: z.array(GitOid).max(10_000).default([]),
  /** The commit that a run is to begin with. */
  commit: GitOid,
})
export type OfferUpload = z.infer<typeof OfferUpload>

export const UploadOffer = z.object({
  /** Names the repository in `POST /v1/runs`. */
  source: z.string(),
  /** Whether the server has the commit: nothing is to be sent then. */
  held: z.boolean(),
  /** Commits the server has; the pack need not hold what they reach. */
  have: z.array(GitOid),
  /** Where to send the pack; absent when there is nothing to send. */
  upload: z.string().optional(),
  part_bytes: z.number().int(),
  max_bytes: z.number().int(),
})
export type UploadOffer = z.infer<typeof UploadOffer>

/** Bytes of the pack that have arrived. */
export const UploadedPart = z.object({ size: z.number().int() })
