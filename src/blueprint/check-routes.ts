/** Rules about single routes: each leads somewhere, and each can be taken. */
import type { Blueprint } from '../schema/index.ts'
import { ROUTE_KEYS, routeOf } from './flow-graph.ts'
import { suggestion } from './nearest.ts'
import { type BlueprintRegistry, canEnd, OUTCOMES, type Outcome } from './registry.ts'
import type { Problem } from './rules.ts'

export function checkRoutes({ stages }: Blueprint, registry: BlueprintRegistry): Problem[] {
  const names = new Set([...stages.map((stage) => stage.id), 'done', 'fail'])
  return stages.flatMap((stage, index) =>
    OUTCOMES.flatMap((outcome): Problem[] => {
      const key = ROUTE_KEYS[outcome]
      const route = stage[key]
      const path = ['stages', index, key]
      if (route === undefined) return []
      if (route === 'paused') {
        const message = `Route ${key} of stage "${stage.id}" cannot lead to "paused": it is a state of a run, not a place`
        return [{ code: 'paused_as_route', message, path }]
      }
      if (!names.has(route)) {
        const message = `Route ${key} of stage "${stage.id}" leads to "${route}", which does not exist${suggestion(route, names)}`
        return [{ code: 'unknown_route', message, path }]
      }
      // Naming the default is no mistake: it says what happens anyway.
      const usual = outcome === 'failed' ? 'fail' : routeOf(stages, index, 'succeeded')
      if (canEnd(stage, outcome, registry) || route === usual) return []
      return [{ ...neverTaken(outcome), message: whyNever(stage, outcome), path }]
    }),
  )
}

function neverTaken(outcome: Outcome): Pick<Problem, 'code'> {
  return { code: outcome === 'failed' ? 'failure_edge_never_taken' : 'skip_edge_never_taken' }
}

function whyNever(stage: Blueprint['stages'][number], outcome: Outcome): string {
  const what = stage.type === 'agent' ? 'an agent stage' : `action "${stage.action}"`
  const never = outcome === 'failed' ? 'never fails' : 'is never skipped'
  return `Route ${ROUTE_KEYS[outcome]} of stage "${stage.id}" cannot be taken: ${what} ${never}`
}
