/** The attempt that a process left behind when it died, if its command may still run. */
import { KeptSession } from '../actions/index.ts'
import type { RunId, Step } from '../schema/index.ts'
import {
  type Db,
  findSession,
  listCommands,
  listSteps,
  type RunningCommand,
} from '../state/index.ts'

export interface CutAttempt {
  step: Step
  commands: RunningCommand[]
  kept: KeptSession
}

/** `undefined` where nothing could be gone on with: then the attempt is repeated. */
export function findCutAttempt(db: Db, id: RunId): CutAttempt | undefined {
  const found = listCommands(db, id)
  const [first] = found
  if (first === undefined) return undefined
  const step = listSteps(db, id).find((one) => one.id === first.stepId)
  const kept = KeptSession.safeParse(findSession(db, first.sandboxId)).data
  const areOfOne = found.every(
    ({ stepId, sandboxId }) => stepId === first.stepId && sandboxId === first.sandboxId,
  )
  if (step === undefined || step.verdict !== undefined || kept === undefined || !areOfOne)
    return undefined
  return { step, commands: found, kept }
}
