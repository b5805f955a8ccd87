/** What a person is told of an event while a run goes on; most events are for the timeline alone. */
import type { Event, EventType } from '../schema/index.ts'
import type { Io } from './io.ts'
import { duration, oneLine, paint, verdictMark } from './print.ts'
import { StepCompleted } from './step-completed.ts'

type Line = (io: Io, event: Event) => string | undefined

const ALWAYS: Partial<Record<EventType, Line>> = {
  notice: (io, { payload }) =>
    `${paint(io, 'yellow', '!')} ${oneLine(text(payload, 'message'), 500)}`,
  tool_call: (io, { payload }) => {
    const mark = payload['ok'] === true ? '·' : '✘'
    return paint(io, 'dim', `    ${mark} ${oneLine(toolText(payload), 160)}`)
  },
}

const OF_STAGES: Partial<Record<EventType, Line>> = {
  run_created: (io, event) => paint(io, 'dim', createdText(event)),
  step_started: (io, event) => paint(io, 'bold', `▸ ${event.stage}${attemptText(event)}`),
  step_completed: completedText,
  policy_check: (io, { payload }) => {
    if (payload['decision'] === 'allow') return undefined
    const refused = `${text(payload, 'subject')} — ${text(payload, 'reason')}`
    return `${paint(io, 'yellow', '⚑')} policy: ${oneLine(refused, 300)}`
  },
}

/** A `command` run has one stage, and its summary says what became of it. */
export function eventLine(io: Io, event: Event, isCommand: boolean): string | undefined {
  const { type, payload } = event
  if (isCommand && type === 'notice' && payload['kind'] === 'project') return undefined
  const line = ALWAYS[type] ?? (isCommand ? undefined : OF_STAGES[type])
  return line?.(io, event)
}

function text(payload: Event['payload'], key: string): string {
  const value = payload[key]
  return typeof value === 'string' ? value : ''
}

function createdText({ run, payload }: Event): string {
  const base = text(payload, 'base_commit').slice(0, 12)
  const branch = typeof payload['branch'] === 'string' ? ` (${payload['branch']})` : ''
  return oneLine(
    `${run}: ${text(payload, 'blueprint')} on ${base}${branch} in ${text(payload, 'image')}`,
    300,
  )
}

function completedText(io: Io, event: Event): string | undefined {
  const step = StepCompleted.safeParse(event)
  if (!step.success) return undefined
  const { payload, volatile } = step.data
  const { verdict } = payload
  const detail = volatile.detail ?? payload.detail
  const took = duration(volatile.duration_ms)
  const more = detail === undefined ? '' : ` — ${oneLine(detail, 300)}`
  return `${verdictMark(io, verdict)} ${event.stage} ${verdict} in ${took}${more}`
}

function attemptText(event: Event): string {
  return (event.attempt ?? 1) > 1 ? ` (attempt ${event.attempt})` : ''
}

/** The tool with the one argument that tells most. */
function toolText(payload: Event['payload']): string {
  const args = payload['args']
  const known = args !== null && typeof args === 'object' && !Array.isArray(args) ? args : {}
  const telling = ['path', 'name', 'pattern', 'status']
    .map((key): unknown => Reflect.get(known, key))
    .find((value) => typeof value === 'string')
  return [text(payload, 'tool'), telling ?? ''].join(' ').trimEnd()
}
