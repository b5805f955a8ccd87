export { BLUEPRINT_REGISTRY } from './blueprint-registry.ts'
export type { Catalog } from './catalog.ts'
export { createCatalog } from './create-catalog.ts'
export { createRuntime } from './create-runtime.ts'
export { createNewId } from './new-id.ts'
export { noRuntime } from './no-runtime.ts'
export { prepareStateRoot } from './state-root.ts'
export { executionSignal } from './watch-cancel.ts'
export type {
  ApprovalDecision,
  DiffFormat,
  FollowOptions,
  GcOptions,
  GcReport,
  OutputFrame,
  RecoveryReport,
  Runtime,
  StreamFrame,
} from './runtime.ts'
