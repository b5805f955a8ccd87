import { type Event, OpenExecError, type RunId } from '../schema/index.ts'
import { getRun, readEvents, type State } from '../state/index.ts'
import { BATCH_SIZE, batchesOf } from './batches.ts'
import type { Bell } from './bell.ts'

export interface FollowOptions {
  /** `seq` of the last event already seen; 0 for all. */
  after: number
  /** Whether to end after `run_completed`, or when the run is removed; otherwise only at abort. */
  untilEnd: boolean
  signal: AbortSignal
}

/**
 * Every event of a run after `after`: first the stored ones, then new ones as they come, from this
 * process or another, without gap or repeat. The table is the buffer, so a slow reader costs nothing.
 * Throws `not_found`.
 */
export async function* follow(
  deps: { state: State; bell: Bell },
  runId: RunId,
  { after, untilEnd, signal }: FollowOptions,
): AsyncGenerator<Event> {
  const { state, bell } = deps
  getRun(state.db, runId)
  let cursor = after
  const read = () => readEvents(state.db, runId, { after: cursor, limit: BATCH_SIZE })
  for await (const batch of batchesOf(bell, runId, { read, signal })) {
    for (const event of batch) {
      yield event
      cursor = event.seq
      if (signal.aborted || (untilEnd && event.type === 'run_completed')) return
    }
    if (batch.length === 0 && untilEnd && !exists(state, runId)) return
  }
}

function exists(state: State, runId: RunId): boolean {
  try {
    getRun(state.db, runId)
    return true
  } catch (error) {
    if (error instanceof OpenExecError && error.code === 'not_found') return false
    throw error
  }
}
