/** How results look: one JSON document, or a table for people. */
import Table from 'cli-table3'
import type { RunStatus, Verdict } from '../schema/index.ts'
import type { Io } from './io.ts'
import { safeLine } from './terminal.ts'

export function printJson(io: Io, value: unknown): void {
  io.out(JSON.stringify(value))
}

/** Columns aligned, no frame; cells are untrusted text. */
export function printTable(
  io: Io,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  const table = new Table({
    head: head.map((cell) => paint(io, 'dim', cell)),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
    chars: Object.fromEntries(
      [
        'top',
        'top-mid',
        'top-left',
        'top-right',
        'bottom',
        'bottom-mid',
        'bottom-left',
        'bottom-right',
        'left',
        'left-mid',
        'mid',
        'mid-mid',
        'right',
        'right-mid',
        'middle',
      ].map((name) => [name, '']),
    ),
  })
  for (const row of rows) table.push([...row])
  for (const line of table.toString().split('\n')) io.out(line.trimEnd())
}

const COLOURS = { red: 31, green: 32, yellow: 33, blue: 34, cyan: 36, dim: 2, bold: 1 } as const
export type Colour = keyof typeof COLOURS

export function paint(io: Pick<Io, 'colour'>, colour: Colour, text: string): string {
  return io.colour ? `\u001b[${COLOURS[colour]}m${text}\u001b[0m` : text
}

export function verdictMark(io: Io, verdict: Verdict | RunStatus): string {
  switch (verdict) {
    case 'succeeded':
      return paint(io, 'green', '✔')
    case 'skipped':
    case 'queued':
    case 'running':
    case 'paused':
    case 'awaiting_approval':
      return paint(io, 'yellow', verdict === 'skipped' ? '−' : '…')
    case 'failed':
    case 'error':
    case 'timed_out':
    case 'blocked':
    case 'cancelled':
    case 'budget_exceeded':
      return paint(io, 'red', '✘')
  }
}

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.min(Math.round(ms), 999)} ms`
  const seconds = Math.floor(ms / 1000)
  if (seconds < 60) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`
  const minutes = Math.floor(seconds / 60)
  return minutes < 60
    ? `${minutes} min ${seconds % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

export function age(now: number, then: number): string {
  const seconds = Math.max(0, Math.round((now - then) / 1000))
  if (seconds < 60) return `${seconds} s ago`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`
  return `${Math.floor(seconds / 86_400)} d ago`
}

export function bytes(size: number): string {
  if (size < 1000) return `${size} B`
  if (size < 1e6) return `${(size / 1e3).toFixed(1)} kB`
  if (size < 1e9) return `${(size / 1e6).toFixed(1)} MB`
  return `${(size / 1e9).toFixed(1)} GB`
}

export function oneLine(text: string, width: number): string {
  const line = safeLine(text)
  return line.length <= width ? line : `${line.slice(0, width - 1)}…`
}
