import { and, eq, isNull } from './drizzle.ts'
import {
  OpenExecError,
  type JsonObject,
  type JsonValue,
  type RunId,
  type StepId,
  type ToolCallId,
  type Verdict,
} from '../schema/index.ts'
import type { Db } from './database.ts'
import { omitNulls } from './omit-nulls.ts'
import { toolCalls } from './tables.ts'

/** One tool or action invocation of a step. */
export interface ToolCall {
  id: ToolCallId
  runId: RunId
  stepId: StepId
  kind: 'tool' | 'action'
  name: string
  /** As they were executed, after normalisation. */
  args: JsonObject
  verdict?: Verdict
  /** Small; large results are artifacts named here. */
  result?: JsonValue
  startedAt: number
  endedAt?: number
}

export function insertToolCall(db: Db, call: ToolCall): void {
  db.insert(toolCalls).values(call).run()
}

/** Exactly once: throws `conflict` for a call that is unknown or completed already. */
export function completeToolCall(
  db: Db,
  id: ToolCallId,
  completion: Required<Pick<ToolCall, 'verdict' | 'endedAt'>> & Pick<ToolCall, 'result'>,
): void {
  const open = and(eq(toolCalls.id, id), isNull(toolCalls.verdict))
  if (db.update(toolCalls).set(completion).where(open).run().changes === 1) return
  throw new OpenExecError('conflict', `Cannot complete tool call "${id}": it is not open`)
}

/** In the order they began. */
export function listToolCalls(db: Db, runId: RunId): ToolCall[] {
  const rows = db
    .select()
    .from(toolCalls)
    .where(eq(toolCalls.runId, runId))
    .orderBy(toolCalls.ordinal)
    .all()
  return rows.map(omitNulls)
}
