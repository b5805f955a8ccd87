import type { Tenant } from '../schema/index.ts'
import { type PlacedEvent, readAllEvents, type State } from '../state/index.ts'
import { type Bell, EVERY_RUN } from './bell.ts'

const BATCH_SIZE = 100

export interface FollowAllOptions {
  /** `position` of the last event already seen; 0 for all. */
  after: number
  signal: AbortSignal
}

/** As `follow()` reads one run, with the place in the order of all commits as its cursor. */
export async function* followAll(
  { state, bell }: { state: State; bell: Bell },
  tenant: Tenant,
  { after, signal }: FollowAllOptions,
): AsyncGenerator<PlacedEvent> {
  let cursor = after
  while (!signal.aborted) {
    // Armed before the read, so that no append falls between the two.
    const { rung, disarm } = bell.arm(EVERY_RUN)
    signal.addEventListener('abort', disarm)
    try {
      const batch = readAllEvents(state.db, tenant, { after: cursor, limit: BATCH_SIZE })
      for (const placed of batch) {
        yield placed
        cursor = placed.position
        if (signal.aborted) return
      }
      if (batch.length === 0) await rung
    } finally {
      signal.removeEventListener('abort', disarm)
      disarm()
    }
  }
}
