/** Rules about reachability: no stage in vain, and a way to succeed. */
import { type FlowGraph, reachable } from './flow-graph.ts'
import type { Problem } from './rules.ts'

export function checkReach(graph: FlowGraph): Problem[] {
  const seen = reachable(graph)
  const problems = graph.stages.flatMap(({ id }, index): Problem[] => {
    if (seen.has(index)) return []
    const path = ['stages', index, 'id']
    return [{ code: 'unreachable_stage', message: unreachableText(graph, id, index), path }]
  })
  if (!graph.edges.some((edge) => edge.to === 'done' && seen.has(edge.from)))
    problems.push({
      code: 'done_unreachable',
      message: 'No path leads to "done", so no run can succeed',
      path: ['stages', 0, 'id'],
    })
  return problems
}

function unreachableText(graph: FlowGraph, id: string, index: number): string {
  const from = graph.edges.filter((edge) => edge.to === index && edge.from !== index)
  if (from.length === 0) return `Stage "${id}" is never reached: no route leads to it`
  const names = [...new Set(from.map((edge) => `"${graph.stages[edge.from]?.id}"`))].join(', ')
  return `Stage "${id}" is never reached: it is led to only from ${names}, which is never reached`
}
