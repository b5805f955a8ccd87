/**
 * What the agent stages of a run have used of its budget, in this process or an earlier one. The
 * timeline knows: each attempt that ended says it whole, and of one that was cut short what it asked
 * of the model and of its tools is counted, so that a crash gives nothing back.
 */
import { z } from 'zod'
import { NO_SPEND, type Spend } from '../actions/index.ts'
import { type Event, type RunId, Usage } from '../schema/index.ts'
import { type Db, readEventsOfType } from '../state/index.ts'

const Spent = z.object({ spent: z.record(z.string(), z.number()) })
const Asked = z.object({ usage: Usage.optional(), retry: z.unknown().optional() })
const Called = z.object({ output_bytes: z.number().optional() })

export function spentOfRun(db: Db, runId: RunId): Spend {
  return spentOf((type) => readEventsOfType(db, runId, type))
}

/** The same of events that somebody else has read. */
export function spentOf(
  eventsOfType: (type: 'step_completed' | 'model_invocation' | 'tool_call') => readonly Event[],
): Spend {
  const whole = new Map<string, Spend>()
  for (const event of eventsOfType('step_completed')) {
    const spent = Spent.safeParse(event.volatile).data?.spent
    if (spent !== undefined) whole.set(attemptOf(event), { ...NO_SPEND, ...spent })
  }
  const isCut = (event: Event) => !whole.has(attemptOf(event))
  return [
    ...whole.values(),
    ...eventsOfType('model_invocation').filter(isCut).map(asked),
    ...eventsOfType('tool_call').filter(isCut).map(called),
  ].reduce(sum, NO_SPEND)
}

function attemptOf({ stage, attempt }: Event): string {
  return `${stage}.${attempt}`
}

function asked({ payload }: Event): Spend {
  const { usage, retry } = Asked.safeParse(payload).data ?? {}
  const turns = retry === undefined ? 1 : 0
  if (usage === undefined) return { ...NO_SPEND, turns }
  const { inputUncached, cacheRead, cacheWrite5m, cacheWrite1h, output, costMicroUsd } = usage
  const tokens = inputUncached + cacheRead + cacheWrite5m + cacheWrite1h + output
  return { ...NO_SPEND, turns, tokens, costMicroUsd }
}

function called({ payload }: Event): Spend {
  const outputBytes = Called.safeParse(payload).data?.output_bytes ?? 0
  return { ...NO_SPEND, toolCalls: 1, outputBytes }
}

function sum(a: Spend, b: Spend): Spend {
  return {
    turns: a.turns + b.turns,
    toolCalls: a.toolCalls + b.toolCalls,
    tokens: a.tokens + b.tokens,
    costMicroUsd: a.costMicroUsd + b.costMicroUsd,
    outputBytes: a.outputBytes + b.outputBytes,
  }
}
