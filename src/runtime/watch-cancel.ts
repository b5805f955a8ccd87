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

export function executionSignal(
  state: State,
  id: RunId,
  options: { caller: AbortSignal; deadlineInMs: number },
): ExecutionSignal {
  const own = new AbortController()
  const poll = setInterval(() => {
    if (getRun(state.db, id).cancelRequested) own.abort(cancelledError())
  }, POLL_MS)
  const deadline = setTimeout(() => {
    own.abort(
      new OpenExecError('timed_out', `Cannot go on with the run: it took longer than allowed`, {
        hint: 'Raise --timeout, or limits.wall of the policy',
      }),
    )
  }, options.deadlineInMs)
  return {
    signal: AbortSignal.any([options.caller, own.signal]),
    stop() {
      clearInterval(poll)
      clearTimeout(deadline)
    },
  }
}

function cancelledError(): OpenExecError {
  return new OpenExecError('cancelled', 'Cancelled on request')
}
