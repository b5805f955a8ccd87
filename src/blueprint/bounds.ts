/**
 * The most a run of a blueprint can use. Two bounds hold at once, and the lesser counts: what the
 * limits say, and what the graph can do at all. Between two agent stages a run walks through
 * deterministic ones without a cycle (the checker proves it), so a run is the heaviest walk from the
 * first stage to an agent, one from each entry of an agent to the next, and a last one to the end;
 * retries of errors come on top. Attempts repeated after a crash of OpenExec are not counted.
 */
import type { Plan, PlanStage } from './plan.ts'

export interface Bound {
  /** What the graph allows. */
  structural: number
  /** What the limits allow. */
  limit: number
  /** The lesser of both. */
  value: number
}

interface StageBound {
  id: string
  /** Times a route can lead to it; of an agent stage, retries of errors included. */
  entries: number
  /** Attempts, retries of errors included. */
  executions: number
}

export interface BlueprintBounds {
  stageExecutions: Bound
  agentEntries: number
  turns: Bound
  tokens: Bound
  toolCalls: Bound
  costUsd: Bound
  wallMs: Bound
  outputBytes: Bound
  stages: readonly StageBound[]
}

/** Worst case of a plan whose blueprint passed the checker. */
export function boundsOf(plan: Plan): BlueprintBounds {
  const { limits, maxStageExecutions, stages } = plan
  const bound = (limit: number, weigh: (stage: PlanStage) => number): Bound => {
    const structural = heaviestRun(plan, weigh)
    return { structural, limit, value: Math.min(structural, limit) }
  }
  const ofAgents = (weigh: (stage: PlanStage) => number) => (stage: PlanStage) =>
    stage.type === 'agent' ? weigh(stage) : 0
  const stageBounds = stages.map((stage) => stageBound(plan, stage))
  return {
    stageExecutions: bound(maxStageExecutions, () => 1),
    agentEntries: stages.reduce(
      (sum, { type, retryLimit }) => sum + (type === 'agent' ? retryLimit : 0),
      0,
    ),
    turns: bound(
      limits.max_turns,
      ofAgents((stage) => stage.limits.max_turns),
    ),
    tokens: bound(
      limits.max_tokens,
      ofAgents((stage) => stage.limits.max_tokens),
    ),
    toolCalls: bound(
      limits.max_tool_calls,
      ofAgents((stage) => stage.limits.max_tool_calls),
    ),
    costUsd: bound(
      limits.max_cost_usd,
      ofAgents((stage) => stage.limits.max_cost_usd),
    ),
    wallMs: bound(limits.max_wall, (stage) => stage.timeoutMs),
    outputBytes: bound(limits.max_output_bytes, (stage) => stage.limits.max_output_bytes),
    stages: stageBounds,
  }
}

function heaviestRun(plan: Plan, weigh: (stage: PlanStage) => number): number {
  const walks = walksOf(plan, weigh)
  const start = walks.from(plan.stages[0].id)
  let sum = Math.max(0, start.toAgent)
  let lastWalk = 0
  for (const stage of plan.stages) {
    sum += stage.retryLimit * weigh(stage)
    if (stage.type !== 'agent') continue
    const after = walks.after(stage)
    const toAgent = Math.max(0, after.toAgent)
    // Where no way leads back, only retries of errors enter it again, and those walk nowhere.
    sum += (leadsTo(plan, stage, stage.id) ? stage.retryLimit : 1) * toAgent
    lastWalk = Math.max(lastWalk, after.anywhere - toAgent)
  }
  const retries = plan.stages.reduce(
    (total, stage) => total + (stage.type === 'agent' ? 0 : stage.retryLimit * weigh(stage)),
    0,
  )
  return Math.max(start.anywhere + retries, sum + lastWalk)
}

/** Heaviest way through deterministic stages; `-Infinity` where no agent stage is at its end. */
interface Walk {
  toAgent: number
  anywhere: number
}

function walksOf(plan: Plan, weigh: (stage: PlanStage) => number) {
  const byId = new Map(plan.stages.map((stage) => [stage.id, stage]))
  const known = new Map<string, Walk>()
  const from = (id: string): Walk => {
    const stage = byId.get(id)
    if (stage === undefined) return { toAgent: Number.NEGATIVE_INFINITY, anywhere: 0 }
    if (stage.type === 'agent') return { toAgent: 0, anywhere: 0 }
    const before = known.get(id)
    if (before !== undefined) return before
    const { toAgent, anywhere } = after(stage)
    const walk = { toAgent: weigh(stage) + toAgent, anywhere: weigh(stage) + anywhere }
    known.set(id, walk)
    return walk
  }
  const after = (stage: PlanStage): Walk => {
    const ways = Object.values(stage.routes).map(from)
    return {
      toAgent: Math.max(...ways.map(({ toAgent }) => toAgent)),
      anywhere: Math.max(...ways.map(({ anywhere }) => anywhere)),
    }
  }
  return { from, after }
}

/** A deterministic stage is entered at most once on each walk from the start or an agent stage. */
function stageBound(plan: Plan, stage: PlanStage): StageBound {
  const { id, retryLimit } = stage
  if (stage.type === 'agent') return { id, entries: retryLimit, executions: retryLimit }
  const isFirstWalk = plan.stages[0].id === id || leadsTo(plan, plan.stages[0], id, isDeterministic)
  const entries = plan.stages
    .filter((each) => each.type === 'agent' && leadsTo(plan, each, id, isDeterministic))
    .reduce(
      (sum, agent) => sum + (leadsTo(plan, agent, agent.id) ? agent.retryLimit : 1),
      isFirstWalk && plan.stages[0].type !== 'agent' ? 1 : 0,
    )
  return { id, entries, executions: entries + retryLimit }
}

/** Whether some way of at least one route leads from a stage to another, through stages that `mayPass`. */
function leadsTo(
  plan: Plan,
  from: PlanStage,
  id: string,
  mayPass: (stage: PlanStage) => boolean = () => true,
): boolean {
  const byId = new Map(plan.stages.map((stage) => [stage.id, stage]))
  const seen = new Set(Object.values(from.routes))
  for (const at of seen) {
    if (at === id) return true
    const stage = byId.get(at)
    if (stage !== undefined && mayPass(stage))
      for (const next of Object.values(stage.routes)) seen.add(next)
  }
  return false
}

function isDeterministic(stage: PlanStage): boolean {
  return stage.type === 'deterministic'
}
