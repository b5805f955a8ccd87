/**
 * What is proved about a blueprint before a run of it can start. Each rule has a code of its own
 * (`rules.ts`); all broken ones are told at once, but a mistake is told once: rules over paths wait
 * until every route leads somewhere.
 */
import type { Blueprint } from '../schema/index.ts'
import { checkCycles } from './check-cycles.ts'
import { checkDataFlow } from './check-data-flow.ts'
import { checkExecutionLimit, checkLimits } from './check-limits.ts'
import { checkLists } from './check-lists.ts'
import { checkNames } from './check-names.ts'
import { checkReach } from './check-reach.ts'
import { checkRoutes } from './check-routes.ts'
import { flowGraph } from './flow-graph.ts'
import type { BlueprintRegistry } from './registry.ts'
import type { Problem } from './rules.ts'

/** All broken rules, in no order; empty for a blueprint that may run. */
export function checkBlueprint(blueprint: Blueprint, registry: BlueprintRegistry): Problem[] {
  const problems = [
    ...checkNames(blueprint, registry),
    ...checkLists(blueprint),
    ...checkRoutes(blueprint, registry),
    ...checkLimits(blueprint),
  ]
  const graph = flowGraph(blueprint, registry)
  if (!graph.complete) return problems
  const cycles = checkCycles(graph)
  const reach = checkReach(graph).filter(
    // A run that goes round for ever has its own finding.
    ({ code }) => code !== 'done_unreachable' || cycles.length === 0,
  )
  return [
    ...problems,
    ...cycles,
    ...reach,
    ...checkDataFlow(graph),
    ...checkExecutionLimit(blueprint, graph),
  ]
}
