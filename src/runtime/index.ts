export type { Catalog } from './catalog.ts'
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
