import { z } from 'zod'
import { Sha256 } from './ids.ts'

/** What the router makes of a request. It chooses only within what policy allows. */
export const Plan = z.object({
  mode: z.enum(['chat', 'task', 'run']),
  blueprint: z.string(),
  toolset: z.string(),
  repo_zones: z.array(z.string()),
  knowledge_sources: z.array(z.string()),
  sensitivity: z.enum(['low', 'medium', 'high']),
  needs_frontier_model: z.boolean(),
  confidence: z.number().min(0).max(1),
  intent: z.object({
    kind: z.string(),
    candidates: z.array(z.object({ kind: z.string(), score: z.number() })),
  }),
  decided_by: z.enum(['flag', 'rule', 'classifier', 'local_llm', 'fallback']),
  reasons: z.array(z.string()),
  router_version: z.string(),
  plan_hash: Sha256,
})
export type Plan = z.infer<typeof Plan>
