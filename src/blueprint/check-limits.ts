/** Rules about numbers: limits that can be reached, and that leave a way to succeed. */
import type { Blueprint, Stage } from '../schema/index.ts'
import { DEFAULTS } from './defaults.ts'
import { type FlowGraph, pathText, shortestPath } from './flow-graph.ts'
import type { Problem } from './rules.ts'

export function checkLimits(blueprint: Blueprint): Problem[] {
  const mode = blueprint.defaults?.approval_mode
  return blueprint.stages.flatMap((stage, index) => {
    const path = ['stages', index]
    const problems = [...retryProblems(blueprint, stage, path), ...aboveRun(blueprint, stage, path)]
    if (mode === 'never' && stage.approval_required === true)
      problems.push({
        code: 'approval_contradiction',
        message: `Stage "${stage.id}" requires approval, but defaults.approval_mode is "never"`,
        path: [...path, 'approval_required'],
      })
    return problems
  })
}

/** Needs the paths, so it is asked only when they are known. */
export function checkExecutionLimit(blueprint: Blueprint, graph: FlowGraph): Problem[] {
  const max = blueprint.limits?.max_stage_executions ?? DEFAULTS.maxStageExecutions
  const way = shortestPath(graph, {
    start: 0,
    mayTake: () => true,
    isGoal: (edge) => edge.to === 'done',
  })
  if (way === undefined || way.length <= max) return []
  const message = `max_stage_executions ${max} is too low: the shortest path to "done" has ${way.length} stages (${pathText(graph, way)})`
  return [
    { code: 'stage_execution_limit_too_low', message, path: ['limits', 'max_stage_executions'] },
  ]
}

function retryProblems(blueprint: Blueprint, stage: Stage, at: readonly PropertyKey[]): Problem[] {
  const limit = stage.retry_limit
  if (limit === undefined) return []
  const path = [...at, 'retry_limit']
  if (stage.type === 'agent' && limit === 0) {
    const message = `Stage "${stage.id}" can never run: retry_limit of an agent stage bounds its entries, and 0 allows none`
    return [{ code: 'agent_never_runs', message, path }]
  }
  const max = blueprint.limits?.max_stage_executions ?? DEFAULTS.maxStageExecutions
  const executions = stage.type === 'agent' ? limit : limit + 1
  if (executions <= max) return []
  const message = `retry_limit ${limit} of stage "${stage.id}" cannot be reached: max_stage_executions is ${max}`
  return [{ code: 'retry_limit_unreachable', message, path }]
}

function aboveRun({ limits }: Blueprint, stage: Stage, at: readonly PropertyKey[]): Problem[] {
  const run = new Map(Object.entries(limits ?? {}))
  return Object.entries(stage.limits ?? {}).flatMap(([key, value]): Problem[] => {
    const most = run.get(key)
    if (most === undefined || value === undefined || value <= most) return []
    const message = `${key} ${value} of stage "${stage.id}" is above ${key} ${most} of the run`
    return [{ code: 'stage_limit_above_run', message, path: [...at, 'limits', key] }]
  })
}
