import type { RunResult } from '../schema/index.ts'
import type { Io } from './io.ts'
import { duration, oneLine, paint, plural, verdictMark } from './print.ts'

/** The end of a run for a person, with the commands that look further. */
export function summaryLines(io: Io, result: RunResult): string[] {
  const id = result.run
  const why = result.reason === undefined ? '' : ` (${result.reason})`
  const lines = [
    '',
    `${verdictMark(io, result.status)} ${paint(io, 'bold', id)} ${result.status}${why}, exit code ${result.exit_code}`,
  ]
  if (result.detail !== undefined) lines.push(`  ${oneLine(result.detail, 1000)}`)
  if (result.stages.length > 1)
    for (const stage of result.stages)
      lines.push(
        `  ${verdictMark(io, stage.verdict)} ${stage.id.padEnd(20)} ${stage.verdict.padEnd(10)} ${duration(stage.duration_ms).padStart(8)}` +
          (stage.detail === undefined ? '' : `  ${oneLine(stage.detail, 160)}`),
      )
  const { files, insertions, deletions } = result.diff
  lines.push(
    files === 0
      ? '  No file changed'
      : `  ${plural(files, 'file')} changed, ${plural(insertions, 'insertion')}, ${plural(deletions, 'deletion')}`,
  )
  const more = [`openexec show ${id}`, `openexec logs ${id}`]
  if (files > 0) more.push(`openexec diff ${id}`, `openexec apply ${id}`)
  if (result.status === 'awaiting_approval') more.push(`openexec approve ${id}`, `openexec resume ${id}`)
  if (result.status === 'paused') more.push(`openexec resume ${id}`)
  lines.push(paint(io, 'dim', `  Look further: ${more.join(' · ')}`))
  return lines
}
