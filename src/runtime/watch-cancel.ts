/**
 * The signal of one execution: aborted by the caller, by `openexec cancel` from any process, and at
 * the deadline of the run. Its reason is the `OpenExecError` that says which.
 */
import type { ExecutionSignal } from '../blueprint/index.ts'
import { OpenExecError, type RunId } from '../schema/index.ts'
import { isCancelRequested, type State } from '../state/index.ts'

const POLL_MS = 200
/** What a timer can wait for. */
const TIMER_MS_MAX = 2 ** 31 - 1

export interface ExecutionLimits {
  caller: AbortSignal
  /** Epoch `ms` */
  deadlineAt: number
  /** Wall-clock limit of the run, in `ms`, of which the deadline comes. */
  wallMs: number
}

export function executionSignal(
  { state, now }: { state: State; now(): number },
  id: RunId,
  { caller, deadlineAt, wallMs }: ExecutionLimits,
): ExecutionSignal {
  const own = new AbortController()
  const look = () => {
    if (isCancelled(state, id)) own.abort(new OpenExecError('cancelled', 'Cancelled on request'))
  }
  const expire = () => own.abort(deadlineError(wallMs))
  const leftMs = deadlineAt - now()
  if (leftMs <= 0) expire()
  // A request that came while nobody executed the run counts too.
  else look()
  const poll = setInterval(look, POLL_MS)
  const deadline = setTimeout(expire, Math.min(Math.max(leftMs, 0), TIMER_MS_MAX))
  return {
    signal: AbortSignal.any([caller, own.signal]),
    stop() {
      clearInterval(poll)
      clearTimeout(deadline)
    },
  }
}

function deadlineError(wallMs: number): OpenExecError {
  return new OpenExecError(
    'timed_out',
    `Cannot go on with the run: it took longer than ${wallMs / 1000} s`,
    { hint: 'Raise --timeout, or limits.wall of the policy' },
  )
}

/** A database that cannot be read just now is no reason to stop: whoever needs it next will say so. */
function isCancelled(state: State, id: RunId): boolean {
  try {
    return isCancelRequested(state.db, id)
  } catch {
    return false
  }
}
