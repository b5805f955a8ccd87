import type { Tenant } from '../schema/index.ts'
import { type PlacedEvent, readAllEvents, type State } from '../state/index.ts'
import { BATCH_SIZE, batchesOf } from './batches.ts'
import { type Bell, EVERY_RUN } from './bell.ts'

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
  const read = () => readAllEvents(state.db, tenant, { after: cursor, limit: BATCH_SIZE })
  for await (const batch of batchesOf(bell, EVERY_RUN, { read, signal }))
    for (const placed of batch) {
      yield placed
      cursor = placed.position
      if (signal.aborted) return
    }
}
