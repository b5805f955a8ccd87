/** How what happens in a stage attempt is told: every event with its place, each tool call with its row. */
import { type NewEvent, ToolCallId } from '../schema/index.ts'
import { completeToolCall, type Db, insertToolCall } from '../state/index.ts'
import type { StageAttempt } from './engine.ts'
import type { StageDeps } from './stage-scope.ts'

type Told = Pick<StageDeps, 'run' | 'timeline' | 'now' | 'newId'>

/** Appends within the transaction it is given. */
export type Append = (tx: Db, events: readonly NewEvent[]) => void

/** The row of a tool call that has ended is written beside its event. */
export function appender(deps: Told, attempt: StageAttempt): Append {
  const place = { stage: attempt.stage.id, attempt: attempt.attempt }
  return (tx, events) => {
    for (const event of events)
      if (event.type === 'tool_call') insertToolCallOf(tx, { deps, attempt, event })
    deps.timeline.append(
      tx,
      deps.run.id,
      events.map((event) => ({ ...place, ...event })),
    )
  }
}

function insertToolCallOf(
  tx: Db,
  { deps, attempt, event }: { deps: Told; attempt: StageAttempt; event: NewEvent },
): void {
  const { payload } = event
  const tool = payload['tool']
  const id = ToolCallId.parse(deps.newId('call'))
  const endedAt = deps.now()
  insertToolCall(tx, {
    id,
    runId: deps.run.id,
    stepId: attempt.step,
    kind: 'tool',
    startedAt: endedAt,
    name: typeof tool === 'string' ? tool : 'unknown',
    args: { args: payload['args'] ?? null },
  })
  const result = { failure: payload['failure'] ?? null }
  const verdict = payload['ok'] === true ? 'succeeded' : 'failed'
  completeToolCall(tx, id, { verdict, endedAt, result })
}
