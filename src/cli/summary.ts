import type { RunResult } from '../schema/index.ts'
import type { Io } from './io.ts'
import { bytes, duration, oneLine, paint, plural, verdictMark } from './print.ts'

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
  lines.push(...networkLines(io, result.network ?? []))
  for (const hint of result.hints ?? []) lines.push(`  Hint: ${oneLine(hint, 500)}`)
  return lines
}

const DENIED_SHOWN = 10

/** What was reached in one line; each denial with what would change it. */
function networkLines(io: Io, network: NonNullable<RunResult['network']>): string[] {
  const allowed = network.filter(({ decision }) => decision === 'allowed')
  const refused = network.filter(({ decision }) => decision !== 'allowed')
  const hosts = [...new Set(allowed.map(({ host }) => host))]
  const received = allowed.reduce((sum, each) => sum + each.bytes_in, 0)
  const lines =
    hosts.length === 0
      ? []
      : [
          `  Network: ${plural(hosts.length, 'host')} reached, ${bytes(received)} received (${oneLine(hosts.join(', '), 200)})`,
        ]
  for (const { host, port, decision, rule, remedy } of refused.slice(0, DENIED_SHOWN)) {
    const what = decision === 'denied' ? 'Denied' : 'Could not connect to'
    const help = remedy === '' ? '' : `. ${remedy}`
    lines.push(
      `  ${paint(io, 'yellow', '⚑')} ${what} ${oneLine(host, 120)}:${port} (${rule})${oneLine(help, 300)}`,
    )
  }
  const more = refused.length - DENIED_SHOWN
  return more > 0 ? [...lines, `  and ${more} more: openexec events`] : lines
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
