import { type Event, OpenExecError, type RunId } from '../schema/index.ts'
import { type Db, readEvents } from '../state/index.ts'
import { type TimelineCheck, verifyTimeline } from './verify.ts'

const BATCH_SIZE = 200

/** Verifies what the database holds of a run; an event that cannot be read is a bad one. */
export function verifyStored(db: Db, runId: RunId): TimelineCheck {
  const unreadable: string[] = []
  const check = verifyTimeline(storedEvents(db, runId, (problem) => unreadable.push(problem)))
  const [problem] = unreadable
  if (problem === undefined || !check.ok) return check
  return { ...check, ok: false, firstBad: check.verified + 1, problem }
}

function* storedEvents(
  db: Db,
  runId: RunId,
  onUnreadable: (problem: string) => void,
): Generator<Event> {
  let after = 0
  let limit = BATCH_SIZE
  for (;;) {
    const batch = readBatch(db, runId, { after, limit })
    if (typeof batch === 'string') {
      if (limit === 1) return onUnreadable(batch)
      // One by one from here, so that the event at fault is the one that is named.
      limit = 1
      continue
    }
    const last = batch.at(-1)
    if (last === undefined) return
    yield* batch
    after = last.seq
  }
}

function readBatch(db: Db, runId: RunId, page: { after: number; limit: number }): Event[] | string {
  try {
    return readEvents(db, runId, page)
  } catch (error) {
    if (error instanceof OpenExecError && error.code === 'state_corrupt') return error.message
    throw error
  }
}
