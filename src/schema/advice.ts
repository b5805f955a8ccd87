/** What can be asked about a repository and a request in words without making a run. */
import { z } from 'zod'
import { SessionId, TaskId } from './ids.ts'
import { Plan } from './plan.ts'
import { Run, RunRequest } from './run.ts'

const Named = z.strictObject({ name: z.string().min(1).max(4096), text: z.string() })

export const ContextRequest = z.strictObject({
  task: z.string().min(1).max(100_000),
  /** Absolute path of a checkout, or of a directory in it. */
  repo: z.string(),
  ref: z.string().optional(),
  includeDirty: z.boolean(),
  policyFile: z.string().optional(),
  budgetTokens: z.number().int().min(500).max(200_000).default(12_000),
  /** Output of what failed: its stack traces lead to files. */
  logs: z.array(Named).max(8),
  /** A commit; what changed since is shown. */
  since: z.string().optional(),
})
export type ContextRequest = z.infer<typeof ContextRequest>

export const RecallRequest = z.strictObject({
  repo: z.string(),
  ref: z.string().optional(),
  /** Commits that are tried. */
  commits: z.number().int().min(1).max(1000),
  /** Ranks by plain words too, to compare with. */
  baseline: z.boolean(),
})
export type RecallRequest = z.infer<typeof RecallRequest>

const Score = z.object({
  /** Mean part of the changed files that stands among the first ten. */
  recall_at_10: z.number(),
  /** Mean of one over the place of the first changed file. */
  mrr: z.number(),
})

/** How well ranking by a commit's message finds the files that the commit changed. */
export const RecallReport = z.object({
  ranker_version: z.string(),
  commits: z.number().int(),
  /** Files of the newest tree. */
  files: z.number().int(),
  ranked: Score,
  plain_words: Score.optional(),
  /** Median `ms` of ranking one tree, its new blobs included. */
  median_ms: z.number(),
})
export type RecallReport = z.infer<typeof RecallReport>

export const RouteRequest = z.strictObject({
  text: z.string().min(1).max(100_000),
  blueprint: z.string().optional(),
  toolset: z.string().optional(),
  mode: Plan.shape.mode.optional(),
})
export type RouteRequest = z.infer<typeof RouteRequest>

/** A request in words that may become a run. */
export const AskRequest = z.strictObject({
  route: RouteRequest,
  /** Goes on in this session; a new one begins otherwise. */
  session: SessionId.optional(),
  mode: z.enum(['chat', 'task']),
  /** How it would be run; blueprint and task follow from the request. */
  run: RunRequest.omit({ blueprint: true, task: true, command: true }),
})
export type AskRequest = z.infer<typeof AskRequest>

/** What came of it: always a task, and a run where the request asked for work and was allowed to. */
export const Asked = z.object({
  session: SessionId,
  task: TaskId,
  plan: Plan,
  run: Run.optional(),
})
export type Asked = z.infer<typeof Asked>
