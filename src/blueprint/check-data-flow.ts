/**
 * Every input is produced on every path that leads to it: a forward must-analysis over the routes.
 * What an edge brings is what came into its stage and what that stage produces with that outcome;
 * what comes into a stage is what all its edges bring. Artifacts stay for the rest of the run.
 *
 * Paths that begin with an error are not among them: a stage that crashed has no outputs. The
 * reducer guards them instead and ends the run where an input is missing.
 */
import { type FlowGraph, pathText, reachable, shortestPath } from './flow-graph.ts'
import { suggestion } from './nearest.ts'
import type { Problem } from './rules.ts'

export function checkDataFlow(graph: FlowGraph): Problem[] {
  const incoming = alwaysProduced(graph)
  return [...reachable(graph)].flatMap((at) =>
    (graph.stages[at]?.inputs ?? []).flatMap((name, index): Problem[] => {
      if (incoming.get(at)?.has(name) === true) return []
      const message = missingText(graph, at, name)
      return [{ code: 'input_not_produced', message, path: ['stages', at, 'inputs', index] }]
    }),
  )
}

/** Artifacts that exist whenever a stage is entered; only reachable stages are in it. */
function alwaysProduced(graph: FlowGraph): Map<number, ReadonlySet<string>> {
  const incoming = new Map<number, ReadonlySet<string>>([[0, new Set()]])
  // Each round only takes artifacts away, of which there are finitely many.
  for (let changed = true; changed;) {
    changed = false
    for (const { from, to, produces } of graph.edges) {
      const before = incoming.get(from)
      if (before === undefined || typeof to !== 'number') continue
      const brought = new Set([...before, ...produces])
      const known = incoming.get(to)
      const left =
        known === undefined ? brought : new Set([...known].filter((name) => brought.has(name)))
      if (known !== undefined && left.size === known.size) continue
      incoming.set(to, left)
      changed = true
    }
  }
  return incoming
}

function missingText(graph: FlowGraph, at: number, name: string): string {
  const head = `Input "${name}" of stage "${graph.stages[at]?.id}"`
  const produced = graph.edges.flatMap((edge) => edge.produces)
  if (!produced.includes(name))
    return `${head} is produced by no stage${suggestion(name, produced)}`
  const way = shortestPath(graph, {
    start: 0,
    mayTake: (edge) => !edge.produces.includes(name),
    isGoal: (edge) => edge.to === at,
  })
  if (at === 0 || way === undefined) return `${head} is not there when the run begins`
  return `${head} is not produced on the path ${pathText(graph, way)}`
}
