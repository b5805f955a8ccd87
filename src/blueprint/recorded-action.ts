import {
  type ActionResult,
  executeAction,
  findAction,
  type GateRequest,
  type Spend,
} from '../actions/index.ts'
import { type JsonObject, ToolCallId, type Verdict } from '../schema/index.ts'
import { completeToolCall, insertToolCall, listToolCalls } from '../state/index.ts'
import type { StageAttempt } from './engine.ts'
import type { StageOutcome } from './outcome.ts'
import type { StageDeps, StageScope } from './stage-scope.ts'

/** An agent may also run out of its budget. */
export type AgentOutcome = Omit<ActionResult, 'status'> & {
  status: StageOutcome['verdict']
  spent?: Spend
}

/** Every invocation of an action is a row, open while it runs. */
export async function recordedAction(
  { deps, attempt, context }: StageScope,
  action: { name: string; with: JsonObject; first: readonly GateRequest[] },
): Promise<ActionResult> {
  const { state, now, newId, run } = deps
  const open = attempt.goesOnSince === undefined ? undefined : openCall(deps, attempt)
  const id = open ?? ToolCallId.parse(newId('call'))
  const call = { id, runId: run.id, stepId: attempt.step, kind: 'action' as const }
  if (open === undefined)
    insertToolCall(state.db, { ...call, name: action.name, args: action.with, startedAt: now() })
  let verdict: Verdict = 'error'
  try {
    const result = await executeAction(context, findAction(action.name), action)
    verdict = result.status
    return result
  } finally {
    completeToolCall(state.db, id, { verdict, endedAt: now() })
  }
}

function openCall({ state, run }: StageDeps, { step }: StageAttempt): ToolCallId | undefined {
  return listToolCalls(state.db, run.id).find(
    ({ stepId, verdict }) => stepId === step && verdict === undefined,
  )?.id
}
