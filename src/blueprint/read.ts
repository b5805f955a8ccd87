/** From YAML to a blueprint that is proved to be runnable, or to all that is wrong with it. */
import {
  Blueprint,
  type Finding,
  findingsError,
  hashJson,
  parseYaml,
  type Sha256,
} from '../schema/index.ts'
import { checkBlueprint } from './check.ts'
import { type Plan, planBlueprint } from './plan.ts'
import type { BlueprintRegistry } from './registry.ts'

/** `file` as shown to the user, and its whole text. */
export type BlueprintSource = Parameters<typeof parseYaml>[0]

export interface CheckedBlueprint {
  blueprint: Blueprint
  plan: Plan
  /** sha256 of the blueprint's canonical JSON; comments and layout do not count. */
  digest: Sha256
}

/**
 * Reads and checks a blueprint. Throws `blueprint_invalid` with every finding, each with a stable
 * code and as `file:line:column: message`; shapes are told first, rules once the shape is right.
 */
export function readBlueprint(
  source: BlueprintSource,
  registry: BlueprintRegistry,
): CheckedBlueprint {
  const { value: blueprint, locate } = parseYaml(source, Blueprint, 'blueprint_invalid')
  const findings = checkBlueprint(blueprint, registry).map((problem): Finding => ({
    ...problem,
    ...locate(problem.path),
  }))
  if (findings.length > 0) throw findingsError(source.file, findings, 'blueprint_invalid')
  return {
    blueprint,
    plan: planBlueprint(blueprint, registry),
    digest: hashJson(blueprint) as Sha256,
  }
}
