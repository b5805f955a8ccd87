import type { CapabilityLine, Explanation } from './explain.ts'

const DECISION_WORDS = { allow: 'allow', block: 'block', require_approval: 'ask' } as const

/** The explanation as text for a terminal, without colours; ends with a newline. */
export function renderExplanation(explanation: Explanation): string {
  const { mode, meaning, refused, policyHash, confinementDigest } = explanation
  const lines = [
    `Mode ${mode}: ${meaning}.`,
    ...(refused === undefined
      ? []
      : ['', `Such a run does not start here: ${refused.message}`, ...hint(refused.hint)]),
    '',
    ...list('May read', explanation.reads),
    ...list('May write', explanation.writes),
    ...list('May reach', explanation.reaches),
    ...(explanation.secrets.length === 0 ? [] : list('Secrets', explanation.secrets)),
    '',
    'Limits',
    ...table(explanation.limits.map(({ name, value }) => [name, value])),
    '',
    'Capabilities',
    ...table(explanation.capabilities.map(capabilityCells)),
    '',
    'Engine settings',
    ...table(explanation.settings.map(({ name, value }) => [name, value])),
    '',
    `Policy ${policyHash}`,
    `Confinement ${confinementDigest}`,
  ]
  return `${lines.join('\n')}\n`
}

function capabilityCells(line: CapabilityLine): string[] {
  const level = line.level === 'none' ? '' : ` (${line.level})`
  const also =
    line.conditional.length === 0 ? '' : `; in some cases: ${line.conditional.join(', ')}`
  return [
    line.capability,
    `${DECISION_WORDS[line.decision]}${level}`,
    `${line.rules.join(', ')}${also}`,
    line.reason,
  ]
}

function hint(text: string | undefined): string[] {
  return text === undefined ? [] : [`  ${text}`]
}

function list(title: string, items: readonly string[]): string[] {
  const [first = 'nothing', ...rest] = items
  return [`${title.padEnd(10)} ${first}`, ...rest.map((item) => `${' '.repeat(10)} ${item}`)]
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  )
  return rows.map((row) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd(),
  )
}
