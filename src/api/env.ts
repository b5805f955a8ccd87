import type { Caller } from '../runtime/index.ts'

/** What every request carries besides itself. */
export interface ApiEnv {
  Bindings: { caller: Caller }
}
