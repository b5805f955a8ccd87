export { type Approval, type ApprovalVote } from './approvals.ts'
export {
  consumeApproval,
  decideApproval,
  findApproval,
  insertApproval,
  listApprovals,
} from './approvals.ts'
export {
  findArtifact,
  getArtifact,
  insertArtifact,
  isContentReferenced,
  listArtifacts,
} from './artifacts.ts'
export {
  type CacheEntry,
  cacheSize,
  getCacheEntry,
  listCacheEntriesByUse,
  putCacheEntry,
  removeCacheEntry,
  removeOldCacheEntries,
  touchCacheEntry,
} from './cache-entries.ts'
export { type Db, openState, type OpenStateOptions, type State } from './database.ts'
export { deleteRun } from './delete-run.ts'
export { type ChainEnd, insertEvent, lastEvent, readEvents } from './events.ts'
export { findRun } from './find-run.ts'
export {
  claimRun,
  getRun,
  insertRun,
  listRuns,
  listUnfinishedRuns,
  releaseRun,
  requestCancel,
  type RunPatch,
  type RunTransition,
  transitionRun,
  updateRun,
} from './runs.ts'
export { insertSandbox, listSandboxes, removeSandbox, type SandboxRow } from './sandboxes.ts'
export { getSession, insertSession } from './sessions.ts'
export { completeStep, insertStep, listSteps, type StepCompletion } from './steps.ts'
export { getTask, insertTask } from './tasks.ts'
export { completeToolCall, insertToolCall, listToolCalls, type ToolCall } from './tool-calls.ts'
