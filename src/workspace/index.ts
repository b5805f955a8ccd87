export { diskUsage } from './disk-usage.ts'
export { slotUsage } from './slot-usage.ts'

export type { HistoryCommit } from './history.ts'
export type { Merged } from './merge.ts'
export type { SlotLayout } from './mounts.ts'
export type { ObjectStore } from './object-store.ts'
export type { Source } from './open-source.ts'
export type { TreeFile } from './read-tree.ts'

export { SNAPSHOT_LIMITS } from './snapshot.ts'
export type { Snapshot, Workspace } from './workspace.ts'
export { createWorkspaces, type Workspaces } from './workspaces.ts'
