import { and, eq, isNull } from './drizzle.ts'
import { OpenExecError, type RunId, type Step, type StepId } from '../schema/index.ts'
import type { Db } from './database.ts'
import { omitNulls } from './omit-nulls.ts'
import { steps } from './tables.ts'

/** How a stage attempt ended. */
type StepCompletion = Required<Pick<Step, 'verdict' | 'endedAt'>> &
  Pick<Step, 'reason' | 'detail' | 'tree' | 'commit'>

/** One row per (run, stage, attempt); a second one is refused. */
export function insertStep(db: Db, step: Step): void {
  db.insert(steps).values(step).run()
}

/** Exactly once: throws `conflict` when the step is completed already, `not_found` when there is none. */
export function completeStep(db: Db, id: StepId, completion: StepCompletion): void {
  const open = and(eq(steps.id, id), isNull(steps.verdict))
  if (db.update(steps).set(completion).where(open).run().changes === 1) return
  const step = db.select().from(steps).where(eq(steps.id, id)).get()
  if (step === undefined) throw new OpenExecError('not_found', `Cannot find step "${id}"`)
  throw new OpenExecError(
    'conflict',
    `Cannot complete step "${id}" as ${completion.verdict}: it is ${step.verdict} already`,
  )
}

/** In the order they began. */
export function listSteps(db: Db, runId: RunId): Step[] {
  const rows = db.select().from(steps).where(eq(steps.runId, runId)).orderBy(steps.ordinal).all()
  return rows.map(omitNulls)
}
