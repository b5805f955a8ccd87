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
    stdout: passStream(io.write, io.stdoutIsTerminal && !raw),
    stderr: passStream(io.writeError, io.stderrIsTerminal && !raw),
  }
  return {
    write: (_step, stream, base64) => sinks[stream].write(Buffer.from(base64, 'base64')),
    async end() {
      await sinks.stdout.end()
      await sinks.stderr.end()
    },
  }
}

/** Bytes as they are, or made safe for a terminal, which is left without their colours. */
export function passStream(write: Io['write'], isTerminal: boolean) {
  if (!isTerminal) return { write, end: async () => {} }
  const filter = createTerminalFilter()
  let coloured = false
  const show = async (text: string) => {
    coloured ||= text.includes('\u001b')
    await write(Buffer.from(text))
  }
  return {
    write: (bytes: Uint8Array) => show(filter.push(bytes)),
    async end() {
      await show(filter.end())
      if (coloured) await write(Buffer.from('\u001b[0m'))
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
        await io.writeError(Buffer.from(lines.map((line) => marked(mark(step), line)).join('')))
    },
    async end() {
      for (const [key, { filter, rest }] of open) {
        const last = rest + filter.end()
        if (last !== '') await io.writeError(Buffer.from(marked(mark(key), last)))
      }
    },
  }
}

/** The mark before each part that a return would write over it, and no colour that goes on. */
function marked(mark: string, line: string): string {
  const parts = line.split('\r').filter((part) => part !== '')
  const shown = parts.length === 0 ? [''] : parts
  return shown
    .map((part) => `${mark}${part}${part.includes('\u001b') ? '\u001b[0m' : ''}\n`)
    .join('')
}
