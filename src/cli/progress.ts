/**
 * Shows a run while it happens: stages as they begin and end, output as it comes. A `command` run
 * passes its streams through untouched; other runs print lines marked with their stage on stderr.
 */
import type { Event, WireFrame } from '../schema/index.ts'
import { StepCompleted } from './step-completed.ts'
import type { Io } from './io.ts'
import { duration, oneLine, paint, verdictMark } from './print.ts'
import { createTerminalFilter, type TerminalFilter } from './terminal.ts'

export interface ProgressOptions {
  /** stdout and stderr of the command are those of this process. */
  passThrough: boolean
  quiet: boolean
  /** Bytes as the sandbox wrote them, even to a terminal. */
  raw: boolean
}

export interface Progress {
  show(frame: WireFrame): Promise<void>
  end(): Promise<void>
}

export function createProgress(io: Io, options: ProgressOptions): Progress {
  const outputs = options.passThrough
    ? passThrough(io, options.raw)
    : options.quiet
      ? silent()
      : markedLines(io)
  return {
    async show(frame) {
      if (frame.type === 'output') await outputs.write(frame.step, frame.stream, frame.data)
      else if (frame.type === 'event' && !options.quiet) {
        const line = eventLine(io, frame.event, options.passThrough)
        if (line !== undefined) io.err(line)
      }
    },
    end: () => outputs.end(),
  }
}

interface OutputSink {
  write(step: string, stream: 'stdout' | 'stderr', base64: string): Promise<void>
  end(): Promise<void>
}

function silent(): OutputSink {
  return { write: async () => {}, end: async () => {} }
}

function passThrough(io: Io, raw: boolean): OutputSink {
  const sinks = {
    stdout: {
      write: io.write,
      filter: io.stdoutIsTerminal && !raw ? createTerminalFilter() : undefined,
    },
    stderr: {
      write: io.writeError,
      filter: io.stderrIsTerminal && !raw ? createTerminalFilter() : undefined,
    },
  }
  return {
    async write(_step, stream, base64) {
      const { write, filter } = sinks[stream]
      const bytes = Buffer.from(base64, 'base64')
      await write(filter === undefined ? bytes : Buffer.from(filter.push(bytes)))
    },
    async end() {
      for (const { write, filter } of [sinks.stdout, sinks.stderr])
        if (filter !== undefined) await write(Buffer.from(filter.end()))
    },
  }
}

/** Longest line that is held back for its end. */
const LINE_CHARS_MAX = 8192

function markedLines(io: Io): OutputSink {
  const open = new Map<string, { filter: TerminalFilter; rest: string }>()
  const mark = (step: string) => paint(io, 'dim', `  ${step.split('.')[0]} │ `)
  return {
    async write(step, stream, base64) {
      const key = `${step}/${stream}`
      const state = open.get(key) ?? { filter: createTerminalFilter(), rest: '' }
      open.set(key, state)
      const lines = (state.rest + state.filter.push(Buffer.from(base64, 'base64'))).split('\n')
      state.rest = lines.pop() ?? ''
      if (state.rest.length > LINE_CHARS_MAX) {
        lines.push(state.rest)
        state.rest = ''
      }
      if (lines.length > 0)
        await io.writeError(Buffer.from(lines.map((line) => `${mark(step)}${line}\n`).join('')))
    },
    async end() {
      for (const [key, { filter, rest }] of open) {
        const last = rest + filter.end()
        if (last !== '') await io.writeError(Buffer.from(`${mark(key)}${last}\n`))
      }
    },
  }
}

/** A `command` run has one stage, and its summary says what became of it. */
function eventLine(io: Io, event: Event, isCommand: boolean): string | undefined {
  const { payload } = event
  switch (event.type) {
    case 'run_created':
      return isCommand ? undefined : paint(io, 'dim', createdText(event))
    case 'step_started':
      return isCommand ? undefined : paint(io, 'bold', `▸ ${event.stage}${attemptText(event)}`)
    case 'step_completed':
      return isCommand ? undefined : completedText(io, event)
    case 'policy_check':
      if (payload['decision'] === 'allow' || isCommand) return undefined
      return `${paint(io, 'yellow', '⚑')} policy: ${oneLine(`${String(payload['subject'])} — ${String(payload['reason'])}`, 300)}`
    case 'notice':
      if (isCommand && payload['kind'] === 'project') return undefined
      return `${paint(io, 'yellow', '!')} ${oneLine(String(payload['message']), 500)}`
    case 'tool_call':
      return paint(
        io,
        'dim',
        `    ${payload['ok'] === true ? '·' : '✘'} ${oneLine(toolText(payload), 160)}`,
      )
    case 'run_started':
    case 'run_recovered':
    case 'run_paused':
    case 'run_resumed':
    case 'run_cancel_requested':
    case 'run_completed':
    case 'model_invocation':
    case 'context_view':
    case 'artifact_created':
    case 'command_started':
    case 'command_completed':
    case 'egress':
    case 'approval_requested':
    case 'approval_decided':
    case 'sandbox_started':
    case 'sandbox_receipt':
    case 'sandbox_removed':
    case 'workspace_created':
    case 'workspace_removed':
    case 'checkpoint':
      return undefined
  }
}

function createdText({ run, payload }: Event): string {
  const base = String(payload['base_commit']).slice(0, 12)
  const branch = typeof payload['branch'] === 'string' ? ` (${payload['branch']})` : ''
  return oneLine(
    `${run}: ${String(payload['blueprint'])} on ${base}${branch} in ${String(payload['image'])}`,
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
  const text = detail === undefined ? '' : ` — ${oneLine(detail, 300)}`
  return `${verdictMark(io, verdict)} ${event.stage} ${verdict} in ${took}${text}`
}

function attemptText(event: Event): string {
  return (event.attempt ?? 1) > 1 ? ` (attempt ${event.attempt})` : ''
}

/** The tool with the one argument that tells most. */
function toolText(payload: Event['payload']): string {
  const args = payload['args']
  const known = args !== null && typeof args === 'object' && !Array.isArray(args) ? args : {}
  const telling: unknown = ['path', 'name', 'pattern', 'status']
    .map((key) => Reflect.get(known, key))
    .find((value) => typeof value === 'string')
  return typeof telling === 'string'
    ? `${String(payload['tool'])} ${telling}`
    : String(payload['tool'])
}
