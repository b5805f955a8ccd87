/**
 * Shows a run while it happens: stages as they begin and end, output as it comes. A `command` run
 * passes its streams through untouched; other runs print lines marked with their stage on stderr.
 */
import type { WireFrame } from '../schema/index.ts'
import { eventLine } from './event-line.ts'
import type { Io } from './io.ts'
import { paint } from './print.ts'
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
      const text = state.rest + state.filter.push(Buffer.from(base64, 'base64'))
      const lines = text.replace(LONE_RETURN, '\n').split('\n')
      state.rest = lines.pop() ?? ''
      if (state.rest.length > LINE_CHARS_MAX) {
        lines.push(state.rest)
        state.rest = ''
      }
      if (lines.length > 0)
        await io.writeError(
          Buffer.from(lines.map((line) => `${mark(step)}${closed(line)}\n`).join('')),
        )
    },
    async end() {
      for (const [key, { filter, rest }] of open) {
        const last = rest + filter.end()
        if (last !== '') await io.writeError(Buffer.from(`${mark(key)}${closed(last)}\n`))
      }
    },
  }
}

/** One that ends no line would lead back over the mark. */
const LONE_RETURN = /\r+(?!\r*(?:\n|$))/g

/** Without a return at its end, and with no colour that goes on in the next line. */
function closed(line: string): string {
  const text = line.replace(/\r+$/, '')
  return text.includes('\u001b') ? `${text}\u001b[0m` : text
}
