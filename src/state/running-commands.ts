import { and, eq } from './drizzle.ts'
import type { JsonValue, RunId, SandboxId, StepId } from '../schema/index.ts'
import type { Db } from './database.ts'
import { omitNulls } from './omit-nulls.ts'
import { runningCommands } from './tables.ts'

/** A command of an open step that another process can go on with. */
export interface RunningCommand {
  stepId: StepId
  /** Unique within the step. */
  name: string
  runId: RunId
  sandboxId: SandboxId
  /** Under this number its supervisor knows it. */
  channel: number
  startedAt: number
  /** How it ended; its output is stored and its end told then. */
  result?: JsonValue
}

export function insertCommand(db: Db, command: RunningCommand): void {
  db.insert(runningCommands).values(command).run()
}

export function endCommand(
  db: Db,
  { stepId, name }: Pick<RunningCommand, 'stepId' | 'name'>,
  result: JsonValue,
): void {
  db.update(runningCommands).set({ result }).where(named(stepId, name)).run()
}

export function findCommand(db: Db, stepId: StepId, name: string): RunningCommand | undefined {
  const row = db.select().from(runningCommands).where(named(stepId, name)).get()
  return row === undefined ? undefined : omitNulls(row)
}

/** Of steps that are open. */
export function listCommands(db: Db, runId: RunId): RunningCommand[] {
  const ofRun = eq(runningCommands.runId, runId)
  return db.select().from(runningCommands).where(ofRun).all().map(omitNulls)
}

/** The step has ended: nobody goes on with anything of it. */
export function removeCommands(db: Db, stepId: StepId): void {
  db.delete(runningCommands).where(eq(runningCommands.stepId, stepId)).run()
}

function named(stepId: StepId, name: string) {
  return and(eq(runningCommands.stepId, stepId), eq(runningCommands.name, name))
}
