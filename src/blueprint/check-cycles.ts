/**
 * Rules about cycles. Entries of an agent stage are bounded per run, so a cycle that holds one ends.
 * Nothing bounds a cycle of deterministic stages, and nobody gains from one: the same tree gives the
 * same verdict. A cycle that success alone goes round ends only by exhaustion, so it never is meant.
 */
import { type Edge, type FlowGraph, pathText, ROUTE_KEYS, shortestPath } from './flow-graph.ts'
import type { Problem, RuleCode } from './rules.ts'

export function checkCycles(graph: FlowGraph): Problem[] {
  const isDeterministic = (at: Edge['to']) =>
    typeof at === 'number' && graph.stages[at]?.type === 'deterministic'
  const unbounded = cycles(graph, (edge) => isDeterministic(edge.from) && isDeterministic(edge.to))
  const successful = cycles(graph, (edge) => edge.on === 'succeeded').filter((cycle) =>
    cycle.some((edge) => !isDeterministic(edge.from)),
  )
  return [
    ...unbounded.map((cycle) =>
      problem(graph, cycle, 'unbounded_cycle', 'holds no agent stage, so nothing bounds it'),
    ),
    ...successful.map((cycle) =>
      problem(graph, cycle, 'success_cycle', 'never ends while every stage succeeds'),
    ),
  ]
}

/** One shortest cycle for each group of stages that reach each other over the chosen edges. */
function cycles(graph: FlowGraph, mayTake: (edge: Edge) => boolean): Edge[][] {
  const found: Edge[][] = []
  const covered = new Set<number>()
  for (const start of graph.stages.keys()) {
    if (covered.has(start)) continue
    const cycle = shortestPath(graph, { start, mayTake, isGoal: (edge) => edge.to === start })
    if (cycle === undefined) continue
    found.push(cycle)
    for (const edge of cycle) covered.add(edge.from)
  }
  return found
}

/** Told at the route that closes the cycle. */
function problem(graph: FlowGraph, cycle: readonly Edge[], code: RuleCode, why: string): Problem {
  const closing = cycle.at(-1)
  const path = closing === undefined ? [] : ['stages', closing.from, ROUTE_KEYS[closing.on]]
  return { code, message: `Cycle ${pathText(graph, cycle)} ${why}`, path }
}
