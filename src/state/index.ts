export {
  type Approval,
  consumeApproval,
  decideApproval,
  findApproval,
  insertApproval,
  listApprovals,
  replaceApproval,
} from './approvals.ts'
export {
  findArtifact,
  getArtifact,
  insertArtifact,
  isContentReferenced,
  listArtifacts,
} from './artifacts.ts'
export { appendAudit, listAudit } from './audit.ts'
export {
  cacheSize,
  getCacheEntry,
  listCacheEntriesByUse,
  putCacheEntry,
  removeCacheEntry,
  removeOldCacheEntries,
  touchCacheEntry,
} from './cache-entries.ts'
export {
  type BlobTerms,
  type ContextIndex,
  type IndexedBlob,
  openContextIndex,
} from './context-index.ts'
export { type Db, openState, type State } from './database.ts'
export { bytesOfRuns, deleteRun } from './delete-run.ts'
export {
  countAllEvents,
  countEvents,
  insertEvent,
  lastEvent,
  lastPosition,
  type PlacedEvent,
  readAllEvents,
  readEvents,
  readEventsOfType,
  readEventsOfTypes,
} from './events.ts'
export { findRun } from './find-run.ts'
export { findIdempotent, keepIdempotent, removeOldIdempotent } from './idempotency.ts'
export {
  countQueued,
  dequeue,
  enqueue,
  isQueued,
  listExpiredQueued,
  nextQueued,
  type QueueEntry,
} from './queue.ts'
export {
  claimRun,
  countRuns,
  getRun,
  insertRun,
  isCancelRequested,
  latestRunOfTask,
  listRuns,
  listUnfinishedRuns,
  ownerOfRun,
  releaseRun,
  requestCancel,
  statusOfRun,
  tenantOfRun,
  transitionRun,
  updateRun,
} from './runs.ts'
export { readMeta, writeMeta } from './meta.ts'
export { tryProcessLock } from './process-lock.ts'
export {
  endCommand,
  findCommand,
  insertCommand,
  listCommands,
  removeCommands,
  type RunningCommand,
} from './running-commands.ts'
export {
  findSession,
  insertSandbox,
  keepSession,
  listSandboxes,
  removeSandbox,
} from './sandboxes.ts'
export { getSession, insertSession } from './sessions.ts'
export { completeStep, insertStep, listSteps } from './steps.ts'
export { getTask, insertTask } from './tasks.ts'
export { lockServer } from './server-lock.ts'
export {
  findToken,
  findTokenByHash,
  insertToken,
  listTokens,
  revokeToken,
  touchToken,
} from './tokens.ts'
export { completeToolCall, insertToolCall, listToolCalls } from './tool-calls.ts'
export {
  countWebhooks,
  disableWebhook,
  enableWebhook,
  getWebhook,
  insertWebhook,
  listEnabledWebhooks,
  listWebhooks,
  noteWebhookEnd,
  removeWebhook,
} from './webhooks.ts'
export {
  claimDelivery,
  type DeliveryToSend,
  countDeliveries,
  insertDelivery,
  listDeliveries,
  listDueWebhooks,
  nextDelivery,
  removeOldDeliveries,
  requeueDelivery,
  settleDelivery,
} from './webhook-deliveries.ts'
export {
  changeTick,
  countSchedules,
  getSchedule,
  insertSchedule,
  insertTick,
  lastRunOfSchedule,
  listDueSchedules,
  listOpenTicks,
  listSchedules,
  listTicks,
  moveSchedule,
  pauseSchedule,
  removeOldTicks,
  removeSchedule,
  resumeSchedule,
  startTick,
  type TickPlace,
} from './schedules.ts'
