export type {
  ActionContext,
  ActionResult,
  ArtifactDraft,
  GateRequest,
  RunTree,
  StageRecord,
} from './action.ts'
export { runAgentStage } from './agent.ts'
export { type AgentResult, type CallPort, REAL_CALLS } from './agent-stage.ts'
export { boundsOfLimits, createBudget, NO_SPEND, type Spend } from './budget.ts'
export { executeAction } from './execute.ts'
export { askPolicy, editedResource, requestHashOf, shortResource } from './gate.ts'
export { KeptSession } from './kept-session.ts'
export { executeNeeds } from './needs.ts'
export { CONFIG_FILE, NO_PROJECT, planProject, type ProjectPlan } from './project-plan.ts'
export { ACTIONS, describeActions, findAction } from './registry.ts'
export { runCommandIn } from './run-commands.ts'
export { PROJECT_ACTIONS } from './run-project-command.ts'
export { createRunSandboxes, type EarlySandbox, type RunSandboxes } from './run-sandboxes.ts'
export { serverMode, startServer } from './start-server.ts'
export { createRunTree, type OwnedTree } from './run-tree.ts'
