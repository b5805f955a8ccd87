import { type GateRequest, shortResource } from '../actions/index.ts'
import { canonicalJson, PolicyDecision, type Run } from '../schema/index.ts'
import { type Db, readEventsOfType } from '../state/index.ts'
import type { StageAttempt } from './engine.ts'

interface Asked {
  run: Run
  attempt: StageAttempt
  requests: readonly GateRequest[]
}

/**
 * What policy, or a person, has answered in this attempt before its process died: it stands, and is
 * not asked again. `undefined` where not all of it was answered.
 */
export function decidedBefore(
  db: Db,
  { run, attempt, requests }: Asked,
): PolicyDecision[] | undefined {
  if (attempt.goesOnSince === undefined) return undefined
  const told = readEventsOfType(db, run.id, 'policy_check')
    .filter((event) => event.stage === attempt.stage.id && event.attempt === attempt.attempt)
    .map(({ payload }) => payload)
  const found = requests.map(({ capability, subject, resource }) => {
    const wanted = canonicalJson({ capability, subject, resource: shortResource(resource) })
    return told.findLast(
      (each) =>
        canonicalJson({
          capability: each['capability'] ?? null,
          subject: each['subject'] ?? null,
          resource: each['resource'] ?? null,
        }) === wanted,
    )
  })
  const decisions = found.map((each) => PolicyDecision.safeParse(each).data)
  const whole = decisions.flatMap((each) => (each === undefined ? [] : [each]))
  return whole.length === requests.length ? whole : undefined
}
