export type {
  Action,
  ActionContext,
  ActionResult,
  ChangedFile,
  GateRequest,
  RunTree,
  StageRecord,
} from './action.ts'
export { runAgentStage } from './agent.ts'
export { boundsOfLimits, createBudget, NO_SPEND, type Spend } from './budget.ts'
export { executeAction } from './execute.ts'
export { askPolicy, type GateDeps } from './gate.ts'
export { planProject, type ProjectPlan, type ReadBaseFile } from './project-plan.ts'
export { ACTIONS, describeActions, findAction } from './registry.ts'
export { runCommandIn } from './run-commands.ts'
export { createRunSandboxes, type RunSandboxes } from './run-sandboxes.ts'
export { createRunTree } from './run-tree.ts'
