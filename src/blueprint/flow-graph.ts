/**
 * A blueprint as a graph: stages by their place in the list, and only those edges that a run can
 * take. All proofs over paths are made on it, so they are as exact as `canEnd()` is.
 */
import type { Blueprint, Stage } from '../schema/index.ts'
import { nearest } from './nearest.ts'
import { type BlueprintRegistry, canEnd, OUTCOMES, type Outcome, producedBy } from './registry.ts'

type Terminal = 'done' | 'fail'

export interface Edge {
  from: number
  on: Outcome
  to: number | Terminal
  /** Artifacts that exist once the edge is taken. */
  produces: readonly string[]
}

export interface FlowGraph {
  stages: readonly Stage[]
  edges: readonly Edge[]
  /** False when a route leads nowhere certain, so that nothing can be proved about paths. */
  complete: boolean
}

/** Key of a stage that holds the route of each outcome. */
export const ROUTE_KEYS = {
  succeeded: 'on_success',
  failed: 'on_failure',
  skipped: 'on_skipped',
} as const satisfies Record<Outcome, keyof Stage>

/** The name that an outcome leads to, with the defaults: next stage, `fail`, as success. */
export function routeOf(stages: readonly Stage[], index: number, outcome: Outcome): string {
  const stage = stages[index]
  const named = stage?.[ROUTE_KEYS[outcome]]
  if (named !== undefined) return named
  if (outcome === 'failed') return 'fail'
  if (outcome === 'skipped') return routeOf(stages, index, 'succeeded')
  return stages[index + 1]?.id ?? 'done'
}

/** A misspelled route counts as what it most likely means, so that it has no second finding. */
export function flowGraph({ stages }: Blueprint, registry: BlueprintRegistry): FlowGraph {
  const ids = stages.map((stage) => stage.id)
  // Where a name has two meanings, no path is certain.
  let complete = new Set([...ids, 'done', 'fail']).size === ids.length + 2
  const edges = stages.flatMap((stage, from) =>
    OUTCOMES.filter((on) => canEnd(stage, on, registry)).flatMap((on): Edge[] => {
      const to = targetOf(routeOf(stages, from, on), ids)
      if (to === undefined) complete = false
      return to === undefined ? [] : [{ from, on, to, produces: producedBy(stage, on, registry) }]
    }),
  )
  return { stages, edges, complete }
}

function targetOf(route: string, ids: readonly string[]): number | Terminal | undefined {
  if (route === 'done' || route === 'fail') return route
  const index = ids.indexOf(route)
  if (index >= 0) return index
  const meant = nearest(route, ids)
  return meant === undefined ? undefined : ids.indexOf(meant)
}

/** Fewest edges from `start` to where `isGoal`, over the edges that `mayTake`. */
export function shortestPath(
  graph: FlowGraph,
  search: {
    start: number
    mayTake(edge: Edge): boolean
    isGoal(edge: Edge): boolean
  },
): Edge[] | undefined {
  const ways = new Map<number, Edge[]>([[search.start, []]])
  // A Map is visited in the order of insertion, so this is breadth first.
  for (const [at, way] of ways) {
    for (const edge of graph.edges) {
      if (edge.from !== at || !search.mayTake(edge)) continue
      if (search.isGoal(edge)) return [...way, edge]
      if (typeof edge.to === 'number' && !ways.has(edge.to)) ways.set(edge.to, [...way, edge])
    }
  }
  return undefined
}

/** Places of all stages that a run can come to. */
export function reachable(graph: FlowGraph): Set<number> {
  const seen = new Set([0])
  for (const at of seen)
    for (const edge of graph.edges)
      if (edge.from === at && typeof edge.to === 'number') seen.add(edge.to)
  return seen
}

/** `lint → (failed) → fix → lint`: what a run goes through along `edges`. */
export function pathText(graph: FlowGraph, edges: readonly Edge[]): string {
  const first = edges[0] === undefined ? [] : [nameOf(graph, edges[0].from)]
  const steps = edges.flatMap((edge) => [
    ...(edge.on === 'succeeded' ? [] : [`(${edge.on})`]),
    nameOf(graph, edge.to),
  ])
  return [...first, ...steps].join(' → ')
}

function nameOf(graph: FlowGraph, at: number | Terminal): string {
  return typeof at === 'number' ? (graph.stages[at]?.id ?? String(at)) : at
}
