import { z } from 'zod'
import { GitOid, Sha256 } from './ids.ts'

export const ContextItem = z.object({
  path: z.string(),
  kind: z.enum(['file', 'slice', 'outline', 'instructions', 'diff', 'log']),
  /** First and last line, from 1, inclusive. */
  start: z.number().int().positive(),
  end: z.number().int().positive(),
  sha256: Sha256,
  tokens: z.number().int().nonnegative(),
  score: z.number(),
  reasons: z.array(z.string()),
  text: z.string(),
})
export type ContextItem = z.infer<typeof ContextItem>

/** What an agent stage may read first; deterministic for the same tree and query. */
export const ContextPack = z.object({
  schema: z.literal(1),
  base_tree: GitOid,
  query: z.string(),
  budget_tokens: z.number().int().positive(),
  items: z.array(ContextItem),
  omitted: z.array(z.object({ path: z.string(), reason: z.string() })),
  redactions: z.array(
    z.object({ path: z.string(), line: z.number().int().positive(), rule: z.string() }),
  ),
  ranker_version: z.string(),
  pack_hash: Sha256,
})
export type ContextPack = z.infer<typeof ContextPack>
