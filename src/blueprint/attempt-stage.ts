/** One attempt of a stage, whatever becomes of it: performed, and its tree held against policy. */
import { traced } from '../events/index.ts'
import type { Environment, StageAttempt } from './engine.ts'
import { type Checkpoint, endOfAbort, endOfError, type StageOutcome, verdictOf } from './outcome.ts'

export interface Attempted {
  outcome: StageOutcome
  /** `undefined` when the tree could not be looked at. */
  checkpoint: Checkpoint | undefined
  /** Whether an exception ended it: its detail may hold ids, sizes and times then. */
  thrown: boolean
}

const VIOLATIONS_SHOWN_MAX = 5

/** Never throws. The verdict counts only with the tree: a violation outranks any success. */
export async function attemptStage(
  environment: Environment,
  attempt: StageAttempt,
  signal: AbortSignal,
): Promise<Attempted> {
  const facts = { 'openexec.stage': attempt.stage.id, 'openexec.attempt': attempt.attempt }
  return await traced({ name: 'stage', facts, partOf: 'here' }, async (add) => {
    const attempted = await perform(environment, attempt, signal)
    const { verdict, reason } = attempted.outcome
    add({ 'openexec.verdict': verdict, 'error.type': reason })
    return attempted
  })
}

async function perform(
  environment: Environment,
  attempt: StageAttempt,
  signal: AbortSignal,
): Promise<Attempted> {
  try {
    const outcome = await environment.perform(attempt, signal)
    const checkpoint = await environment.checkpoint(attempt, signal)
    return { outcome: judged(outcome, checkpoint), checkpoint, thrown: false }
  } catch (error) {
    const end = signal.aborted ? endOfAbort(signal) : endOfError(error)
    const { reason, detail } = end
    const outcome = { verdict: verdictOf(end), reason, detail, spent: undefined }
    return { outcome, checkpoint: undefined, thrown: true }
  }
}

function judged(outcome: StageOutcome, { violations }: Checkpoint): StageOutcome {
  if (violations.length === 0) return outcome
  const shown = violations.slice(0, VIOLATIONS_SHOWN_MAX).join(', ')
  const more = violations.length - VIOLATIONS_SHOWN_MAX
  return {
    ...outcome,
    verdict: 'blocked',
    reason: 'policy_violation',
    detail: `Policy forbids what the stage changed: ${shown}${more > 0 ? ` and ${more} more` : ''}`,
  }
}
