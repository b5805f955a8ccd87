import type { RunResult } from '../schema/index.ts'
import type { Io } from './io.ts'
import { duration, oneLine, paint, plural, verdictMark } from './print.ts'

/** The end of a run for a person, with the commands that look further. */
export function summaryLines(io: Io, result: RunResult): string[] {
  return ['', ...outcomeLines(io, result), ...nextLines(io, result)]
}

/** How the run ended: status, stages, changes. */
export function outcomeLines(io: Io, result: RunResult): string[] {
  const { run, status, reason, detail, exit_code: code } = result
  const why = reason === undefined || reason === status ? '' : ` (${reason})`
  const lasts = status === 'queued' || status === 'running'
  const lines = [
    `${verdictMark(io, status)} ${paint(io, 'bold', run)} ${status}${why}${lasts ? '' : `, exit code ${code}`}`,
  ]
  if (detail !== undefined) lines.push(`  ${oneLine(detail, 1000)}`)
  if (result.stages.length > 1) lines.push(...stageLines(io, result.stages))
  const { files, insertions, deletions } = result.diff
  if (files > 0)
    lines.push(
      `  ${plural(files, 'file')} changed, ${plural(insertions, 'insertion')}, ${plural(deletions, 'deletion')}`,
    )
  else if (!lasts) lines.push('  No file changed')
  return lines
}

function stageLines(io: Io, stages: RunResult['stages']): string[] {
  const width = Math.max(...stages.map(({ id }) => id.length))
  const verdictWidth = Math.max(...stages.map(({ verdict }) => verdict.length))
  return stages.map(({ id, verdict, reason, detail, duration_ms: took }) => {
    const text = detail ?? reason
    const columns = [id.padEnd(width), verdict.padEnd(verdictWidth), duration(took).padStart(8)]
    return `  ${verdictMark(io, verdict)} ${columns.join('  ')}${text === undefined ? '' : `  ${oneLine(text, 160)}`}`
  })
}

function nextLines(io: Io, { run, status, reason, diff }: RunResult): string[] {
  const lines: string[] = []
  if (status === 'awaiting_approval')
    lines.push(`  To go on: openexec approve ${run} (or reject), then openexec resume ${run}`)
  if (status === 'paused') lines.push(`  To go on: openexec resume ${run}`)
  const more = [`openexec show ${run}`, `openexec logs ${run}`]
  if (diff.files > 0) more.push(`openexec diff ${run}`)
  // What policy forbids is kept to be looked at, never applied.
  if (diff.files > 0 && reason !== 'policy_violation') more.push(`openexec apply ${run}`)
  lines.push(paint(io, 'dim', `  Look further: ${more.join(' · ')}`))
  return lines
}
