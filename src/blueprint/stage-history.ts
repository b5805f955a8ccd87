import type { StageRecord } from '../actions/index.ts'
import { listSteps } from '../state/index.ts'
import type { StageDeps } from './stage-scope.ts'

/** How the stages of a run have ended so far, in their order. */
export function historyOf({ state, run }: StageDeps): StageRecord[] {
  return listSteps(state.db, run.id).flatMap((step): StageRecord[] => {
    if (step.verdict === undefined) return []
    const { stage, attempt, verdict, reason, detail, startedAt, endedAt = startedAt } = step
    return [{ stage, attempt, verdict, reason, detail, durationMs: endedAt - startedAt }]
  })
}
