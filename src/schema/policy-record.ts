/** What recorded runs teach about a policy. */
import { z } from 'zod'
import { Document } from './catalog.ts'
import { DecisionKind } from './policy.ts'
import { RunId } from './ids.ts'

const RUNS_MAX = 1000

export const LearnRequest = z.strictObject({
  /** Ids or unique prefixes. */
  runs: z.array(z.string().min(1).max(64)).min(1).max(RUNS_MAX),
  /** Hosts that share a suffix become one entry. */
  mergeSuffixes: z.boolean().default(false),
})
export type LearnRequest = z.infer<typeof LearnRequest>

export const LearntPolicy = z.object({
  runs: z.array(RunId),
  allow: z.array(
    z.object({
      host: z.string(),
      /** Empty where requests were hidden, as in every TLS tunnel. */
      methods: z.array(z.string()),
      connections: z.number().int(),
    }),
  ),
  /** Asked for and not reached then. */
  denied: z.array(z.string()),
  /** Runs whose list of connections was cut, so that something may be missing. */
  incomplete: z.array(RunId),
  /** A policy file of it. */
  yaml: z.string(),
})
export type LearntPolicy = z.infer<typeof LearntPolicy>

export const SimulateRequest = z.strictObject({
  /** The built-in policy when none is given. */
  document: Document.optional(),
  runs: z.union([
    z.strictObject({ last: z.number().int().min(1).max(RUNS_MAX) }),
    z.strictObject({ ids: z.array(z.string().min(1).max(64)).min(1).max(RUNS_MAX) }),
  ]),
})
export type SimulateRequest = z.infer<typeof SimulateRequest>

export const Simulation = z.object({
  runs: z.array(RunId),
  /** Decisions looked at. */
  decisions: z.number().int(),
  /** What would come out otherwise, worst first. */
  changes: z.array(
    z.object({
      run: RunId,
      stage: z.string(),
      capability: z.string(),
      /** The host, the path or the command. */
      what: z.string(),
      was: DecisionKind,
      now: DecisionKind,
      rule: z.string(),
      reason: z.string(),
      remedy: z.string(),
    }),
  ),
  /** Changes beyond those listed. */
  omitted: z.number().int(),
})
export type Simulation = z.infer<typeof Simulation>
