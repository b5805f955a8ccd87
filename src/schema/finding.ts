/** Complaints about a place in a file a person wrote, and the one way they are shown. */
import { type ErrorCode, OpenExecError } from './errors.ts'

/** One complaint about a place in a file; `line` and `column` count from 1. */
export interface Finding {
  code: string
  message: string
  path: readonly PropertyKey[]
  line: number
  column: number
}

/** Complaints told at once; a hostile file can hold tens of thousands. */
const FINDINGS_MAX = 50

/** The error that lists `findings`, sorted by place; `details.findings` holds them as data. */
export function findingsError(
  file: string,
  findings: readonly Finding[],
  code: ErrorCode,
): OpenExecError {
  const name = printable(file)
  const shown = findings
    .map((finding) => ({ ...finding, message: printable(finding.message) }))
    .sort(byPlace)
    .slice(0, FINDINGS_MAX)
  const lines = shown.map((f) => `${name}:${f.line}:${f.column}: ${f.message} [${f.code}]`)
  const count = `${findings.length} problem${findings.length === 1 ? '' : 's'}`
  if (shown.length < findings.length) lines.push(`… and ${findings.length - shown.length} more`)
  const message = [`Cannot read "${name}": ${count}`, ...lines].join('\n')
  return new OpenExecError(code, message, { details: { findings: shown } })
}

function byPlace(a: Finding, b: Finding): number {
  return a.line - b.line || a.column - b.column || (a.code < b.code ? -1 : a.code > b.code ? 1 : 0)
}

/** Text of a stranger's file may hold what moves a terminal's cursor or reorders its line. */
function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cs}\p{Bidi_Control}\u2028\u2029\uFEFF]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
