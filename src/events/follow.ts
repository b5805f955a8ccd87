import { type Event, OpenExecError, type RunId } from '../schema/index.ts'
import { getRun, readEvents, type State } from '../state/index.ts'
import type { Bell } from './bell.ts'

/** Events read at once. */
const BATCH_SIZE = 100

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
  while (!signal.aborted) {
    // Armed before the read, so that no append falls between the two.
    const { rung, disarm } = bell.arm(runId)
    signal.addEventListener('abort', disarm)
    try {
      const batch = readEvents(state.db, runId, { after: cursor, limit: BATCH_SIZE })
      for (const event of batch) {
        yield event
        cursor = event.seq
        if (signal.aborted || (untilEnd && event.type === 'run_completed')) return
      }
      if (batch.length > 0) continue
      if (untilEnd && !exists(state, runId)) return
      await rung
    } finally {
      signal.removeEventListener('abort', disarm)
      disarm()
    }
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
