import { endIdleRun } from '../blueprint/index.ts'
import { OpenExecError, type Run, type RunId } from '../schema/index.ts'
import { ownerState } from '../sandbox/index.ts'
import { getRun, requestCancel } from '../state/index.ts'
import type { RuntimeDeps } from './create-runtime.ts'
import { hasEnded } from './execute.ts'

/** Asks the owner to stop; a run that nobody executes ends here. Throws `conflict` when it has ended. */
export function cancelRun(deps: RuntimeDeps, id: RunId): Run {
  const { state, timeline } = deps
  return state.transact((tx) => {
    const run = getRun(tx, id)
    if (hasEnded(run) && run.status !== 'cancelled')
      throw new OpenExecError('conflict', `Cannot cancel run "${id}": it has ended (${run.status})`)
    if (requestCancel(tx, id))
      timeline.append(tx, id, { type: 'run_cancel_requested', payload: {} })
    const isOwned = run.owner !== undefined && ownerState(run.owner) !== 'dead'
    // Asked before and paused since, it would wait for somebody to resume and cancel it.
    if (!isOwned && !hasEnded(run)) {
      const end = { status: 'cancelled', reason: 'cancelled', detail: undefined } as const
      endIdleRun(deps, tx, { id, end })
    }
    return getRun(tx, id)
  })
}
