/**
 * A blueprint with every default filled in, once: what the reducer and the runtime read. Plain JSON,
 * so that a run can keep the plan it was started with.
 */
import {
  type AgentStage,
  type ApprovalMode,
  type Blueprint,
  type DeterministicStage,
  type JsonValue,
  type SandboxMode,
  type Stage,
  TIMEOUT_CLASSES,
} from '../schema/index.ts'
import { DEFAULTS, type FullLimits } from './defaults.ts'
import { routeOf } from './flow-graph.ts'
import { type BlueprintRegistry, type Outcome, producedBy } from './registry.ts'

interface StageCommon {
  id: string
  inputs: readonly string[]
  /** Artifacts that exist once the stage has ended so. */
  produces: Readonly<Record<Outcome, readonly string[]>>
  /** `null`: the mode of the run. */
  sandbox: SandboxMode | null
  /** Who named it: the stage's own word outranks the operator's flag, the blueprint's default does not. */
  sandboxFrom: 'stage' | 'blueprint' | null
  /** Narrows what the run may reach; `null`: all of it. */
  network: readonly string[] | null
  /** Never above those of the run. */
  limits: FullLimits
  /** Deterministic: errors that are retried in one run. Agent: entries in one run, at least 1. */
  retryLimit: number
  approvalRequired: boolean
  /** Wall-clock limit of one attempt, in `ms`. */
  timeoutMs: number
  /** A stage id, `done` or `fail`. */
  routes: Readonly<Record<Outcome, string>>
}

interface DeterministicPlanStage extends StageCommon {
  type: 'deterministic'
  action: string
  with: Readonly<Record<string, JsonValue>>
}

export interface AgentPlanStage extends StageCommon {
  type: 'agent'
  goal: string
  toolset: string
}

export type PlanStage = DeterministicPlanStage | AgentPlanStage

export interface Plan {
  name: string
  description: string
  approvalMode: ApprovalMode
  limits: FullLimits
  maxStageExecutions: number
  /** A run begins with the first. */
  stages: readonly [PlanStage, ...PlanStage[]]
}

/** Fills the defaults of a blueprint that passed the checker. */
export function planBlueprint(blueprint: Blueprint, registry: BlueprintRegistry): Plan {
  const { max_stage_executions: maxStageExecutions, ...limits } = blueprint.limits ?? {}
  const runLimits = lesser(DEFAULTS.limits, limits, (_usual, own) => own)
  const [first, ...rest] = blueprint.stages.map((stage, index) =>
    planStage(stage, { blueprint, index, runLimits, registry }),
  )
  if (first === undefined) throw new TypeError('Cannot plan a blueprint without stages')
  return {
    name: blueprint.name,
    description: blueprint.description,
    approvalMode: blueprint.defaults?.approval_mode ?? DEFAULTS.approvalMode,
    limits: runLimits,
    maxStageExecutions: maxStageExecutions ?? DEFAULTS.maxStageExecutions,
    stages: [first, ...rest],
  }
}

interface StageContext {
  blueprint: Blueprint
  index: number
  runLimits: FullLimits
  registry: BlueprintRegistry
}

function planStage(stage: Stage, context: StageContext): PlanStage {
  const { blueprint, index, runLimits, registry } = context
  const retries = blueprint.defaults?.max_step_retries ?? DEFAULTS.maxStepRetries
  const common = {
    id: stage.id,
    inputs: stage.inputs ?? [],
    produces: {
      succeeded: producedBy(stage, 'succeeded', registry),
      failed: producedBy(stage, 'failed', registry),
      skipped: producedBy(stage, 'skipped', registry),
    },
    sandbox: stage.sandbox ?? blueprint.defaults?.sandbox ?? null,
    sandboxFrom: sandboxFrom(stage, blueprint),
    network: stage.network ?? null,
    limits: lesser(runLimits, stage.limits ?? {}, Math.min),
    approvalRequired: stage.approval_required ?? blueprint.defaults?.approval_mode === 'always',
    routes: {
      succeeded: routeOf(blueprint.stages, index, 'succeeded'),
      failed: routeOf(blueprint.stages, index, 'failed'),
      skipped: routeOf(blueprint.stages, index, 'skipped'),
    },
  }
  return stage.type === 'agent'
    ? { ...common, ...agentPart(stage, blueprint, retries) }
    : { ...common, ...actionPart(stage, registry, retries) }
}

function sandboxFrom(stage: Stage, { defaults }: Blueprint): StageCommon['sandboxFrom'] {
  if (stage.sandbox !== undefined) return 'stage'
  return defaults?.sandbox === undefined ? null : 'blueprint'
}

function agentPart(stage: AgentStage, { defaults }: Blueprint, retries: number) {
  return {
    type: 'agent' as const,
    goal: stage.goal,
    toolset: stage.toolset ?? defaults?.toolset ?? DEFAULTS.toolset,
    // A default never forbids a stage altogether.
    retryLimit: stage.retry_limit ?? Math.max(1, retries),
    timeoutMs: stage.timeout ?? TIMEOUT_CLASSES[DEFAULTS.agentTimeout],
  }
}

function actionPart(stage: DeterministicStage, registry: BlueprintRegistry, retries: number) {
  const usual = registry.actions.get(stage.action)?.timeout ?? 'medium'
  return {
    type: 'deterministic' as const,
    action: stage.action,
    with: stage.with ?? {},
    retryLimit: stage.retry_limit ?? retries,
    timeoutMs: stage.timeout ?? TIMEOUT_CLASSES[usual],
  }
}

function lesser(
  usual: FullLimits,
  own: { [Key in keyof FullLimits]?: number | undefined },
  choose: (usual: number, own: number) => number,
): FullLimits {
  const pick = (key: keyof FullLimits) => {
    const value = own[key]
    return value === undefined ? usual[key] : choose(usual[key], value)
  }
  return {
    max_turns: pick('max_turns'),
    max_tokens: pick('max_tokens'),
    max_cost_usd: pick('max_cost_usd'),
    max_tool_calls: pick('max_tool_calls'),
    max_wall: pick('max_wall'),
    max_output_bytes: pick('max_output_bytes'),
    max_consecutive_errors: pick('max_consecutive_errors'),
  }
}
