export { withDeadline } from './deadline.ts'
export {
  callTool,
  type PreparedCall,
  prepareCall,
  runCall,
  settleCall,
  type ToolCall,
  type ToolResult,
} from './harness.ts'
export { withinDepth } from './json-depth.ts'
export { applyEdits, readWorkspaceFile } from './patch/apply-edits.ts'
export {
  describeRejection,
  type Edit,
  editPaths,
  type Judged,
  type Rejection,
} from './patch/edit.ts'
export { parsePatch } from './patch/parse-patch.ts'
export { type EditPlan, type FileState, planEdits } from './patch/plan-edits.ts'
export { TOOLS, toolSpecs } from './registry.ts'
export { parseRepoPath, repoPath, workspacePath } from './repo-path.ts'
export type {
  ActionOutcome,
  ChangedPath,
  FinishRequest,
  GateRequest,
  Tool,
  ToolContext,
} from './tool.ts'
export { findToolset, type Toolset, TOOLSETS, toolsetsHash } from './toolset.ts'
export { truncate } from './truncate.ts'
