/**
 * The signal of one execution: aborted by the caller, by `openexec cancel` from any process, and at
 * the deadline of the run. Its reason is the `OpenExecError` that says which.
 */
import { OpenExecError, type RunId } from '../schema/index.ts'
import { getRun, type State } from '../state/index.ts'

const POLL_MS = 200

export interface ExecutionSignal {
  signal: AbortSignal
  stop(): void
}

export interface ExecutionLimits {
  caller: AbortSignal
  /** Wall-clock limit of the run, in `ms`. */
  wallMs: number
  /** What is left of it. */
  deadlineInMs: number
}

export function executionSignal(
  state: State,
  id: RunId,
  { caller, wallMs, deadlineInMs }: ExecutionLimits,
): ExecutionSignal {
  const own = new AbortController()
  const poll = setInterval(() => {
    if (isCancelled(state, id)) own.abort(new OpenExecError('cancelled', 'Cancelled on request'))
  }, POLL_MS)
  const deadline = setTimeout(() => {
    own.abort(
      new OpenExecError(
        'timed_out',
        `Cannot go on with the run: it took longer than ${wallMs} ms`,
        {
          hint: 'Raise --timeout, or limits.wall of the policy',
        },
      ),
    )
  }, deadlineInMs)
  return {
    signal: AbortSignal.any([caller, own.signal]),
    stop() {
      clearInterval(poll)
      clearTimeout(deadline)
    },
  }
}

/** A database that cannot be read just now is no reason to stop: whoever needs it next will say so. */
function isCancelled(state: State, id: RunId): boolean {
  try {
    return getRun(state.db, id).cancelRequested
  } catch {
    return false
  }
}
