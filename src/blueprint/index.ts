export { type BlueprintBounds, type Bound, boundsOf, type StageBound } from './bounds.ts'
export { type Catalog, findBlueprint, listBlueprints } from './catalog.ts'
export { DEFAULTS, type FullLimits } from './defaults.ts'
export { renderBlueprint, renderBlueprintLine } from './graph.ts'
export {
  type AgentPlanStage,
  type Plan,
  type DeterministicPlanStage,
  planBlueprint,
  type PlanStage,
} from './plan.ts'
export { type BlueprintSource, type CheckedBlueprint, readBlueprint } from './read.ts'
export { type Command, type EngineState, initialState, reduce } from './reduce.ts'
export {
  type ActionFacts,
  AGENT_OUTPUTS,
  type BlueprintRegistry,
  type Outcome,
} from './registry.ts'
export { RULES, type RuleCode } from './rules.ts'
export { createEngine, type Engine } from './engine.ts'
export { type EnvironmentDeps, openEnvironment } from './environment.ts'
export { loadFrozenRun, PLAN_ARTIFACT, SNAPSHOT_ARTIFACT } from './frozen-run.ts'
export { type PrepareDeps, type PreparedRun, prepareRun } from './prepare-run.ts'
