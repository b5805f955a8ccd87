export { withDeadline } from './deadline.ts'
export { globMatcher } from './glob-pattern.ts'
export {
  callTool,
  type PreparedCall,
  prepareCall,
  type RunCall,
  runCall,
  settleCall,
  type ToolCall,
  type ToolResult,
} from './harness.ts'
export { withinDepth } from './json-depth.ts'
export { loadSkillTool } from './load-skill.ts'
export { connectServer, type StartServer } from './mcp/connect-server.ts'
export { createMcpTools, mcpToolName } from './mcp/mcp-tools.ts'
export { LOCK_FILE, pinsDifference, readLock } from './mcp/pins.ts'
export { applyEdits, readWorkspaceFile } from './patch/apply-edits.ts'
export { describeRejection, editPaths } from './patch/edit.ts'
export { parsePatch } from './patch/parse-patch.ts'
export { planEdits } from './patch/plan-edits.ts'
export { findTool, TOOLS, toolSpecs } from './registry.ts'
export { repoPath, workspacePath } from './repo-path.ts'
export type { ActionOutcome, FinishRequest, GateRequest, Tool, ToolContext } from './tool.ts'
export { findToolset, TOOLSETS, toolsetsHash } from './toolset.ts'
export { truncate } from './truncate.ts'
