import type {
  Advisor,
  Catalog,
  Direct,
  Runtime,
  RuntimeDeps,
  Schedules,
  Tokens,
  Uploads,
  Webhooks,
} from './runtime/index.ts'
import type { Sandboxes } from './sandbox/index.ts'
import type { Tenant } from './schema/index.ts'

/** The program without anybody who speaks to it. */
export interface Program {
  catalog: Catalog
  advisor: Advisor
  direct: Direct
  sandboxes: Sandboxes
  /** `undefined` where there is no state directory. */
  opened: OpenedRuntime | undefined
  /** Ends what goes on and closes everything. */
  close(): Promise<void>
}

export interface OpenedRuntime {
  root: string
  deps: Omit<RuntimeDeps, 'tenant'>
  tokens: Tokens
  /** As a server sees them that allows these origins beside public ones. */
  webhooksAt(allowed: readonly string[]): Webhooks
  schedules: Schedules
  uploads: Uploads
  runtimeOf(tenant: Tenant): Runtime
  /** Removes what was begun for runs that nobody has executed. */
  abandon(): Promise<void>
  dispose(): void
}
