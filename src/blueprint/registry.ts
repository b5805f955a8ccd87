/**
 * What a blueprint may name, as plain data from the caller: this folder proves blueprints without
 * knowing a single action or tool.
 */
import type { z } from 'zod'
import type { Stage, TIMEOUT_CLASSES } from '../schema/index.ts'

/** What the checker knows of an action. */
export interface ActionFacts {
  /** Artifacts it can consume; `*` stands for any. */
  inputs: readonly string[]
  /**
   * Artifacts that exist once it ended `succeeded`, `failed` or `skipped`: a finding has its report,
   * and so has a command that is not configured.
   */
  outputs: readonly string[]
  /**
   * Whether it can end `failed`. Where it cannot, only broken infrastructure stops it, and that
   * always leads to `fail`.
   */
  canFail: boolean
  /** Whether it can end `skipped`. */
  canSkip: boolean
  /** Class of its wall-clock limit where a stage names none. */
  timeout: keyof typeof TIMEOUT_CLASSES
  /** Shape of `with`; without one the action takes no `with`. */
  withSchema?: z.ZodType
}

export interface BlueprintRegistry {
  actions: ReadonlyMap<string, ActionFacts>
  toolsets: ReadonlySet<string>
}

/** What every agent stage can produce: the difference it made to the workspace. */
export const AGENT_OUTPUTS: readonly string[] = ['patch']

/** The verdicts that routes tell apart; all others end the run, or retry and count as `failed`. */
export const OUTCOMES = ['succeeded', 'failed', 'skipped'] as const
export type Outcome = (typeof OUTCOMES)[number]

/** Whether `stage` can end so. An unknown action is taken to be able to do anything. */
export function canEnd(stage: Stage, outcome: Outcome, registry: BlueprintRegistry): boolean {
  if (outcome === 'succeeded') return true
  if (stage.type === 'agent') return outcome === 'failed'
  const facts = registry.actions.get(stage.action)
  return (outcome === 'failed' ? facts?.canFail : facts?.canSkip) ?? true
}

/** Artifacts that exist once `stage` has ended so; all that it can produce where it names none. */
export function producedBy(stage: Stage, outcome: Outcome, registry: BlueprintRegistry): string[] {
  if (stage.type === 'deterministic')
    return [...(stage.outputs ?? registry.actions.get(stage.action)?.outputs ?? [])]
  return outcome === 'succeeded' ? [...(stage.outputs ?? AGENT_OUTPUTS)] : []
}
