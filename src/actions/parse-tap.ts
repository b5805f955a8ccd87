/** TAP 13 and 14 on a command's output, subtests by indentation, as node:test and many others write it. */
import type { TestCase } from '../schema/index.ts'

const CASES_MAX = 50_000
/** Longer lines are no TAP; the limit also bounds what the patterns below may cost. */
const LINE_CHARS_MAX = 4096
const LINE = /^(\s*)(not ok|ok)\b\s*\d*\s*-?\s*(.*)$/
const SUBTEST = /^(\s*)# Subtest:?\s*(.*)$/
const DIRECTIVE = /\s#\s*(skip|todo)\b.*$/i

/** `undefined` when the text is no TAP at all. */
export function parseTap(text: string): TestCase[] | undefined {
  let plan = false
  const cases: TestCase[] = []
  /** Suites that hold a case, with all their parents: the closing line of a subtest is one of them. */
  const suites = new Set<string>()
  /** Names of the open subtests, by indentation. */
  let open: { indent: number; name: string }[] = []
  for (const line of text.split(/\r?\n/)) {
    if (/^TAP version \d+/.test(line) || /^\s*1\.\.\d+/.test(line)) plan = true
    const subtest = SUBTEST.exec(line)
    if (subtest !== null) {
      const [, indent = '', name = ''] = subtest
      open = open.filter((parent) => parent.indent < indent.length)
      open.push({ indent: indent.length, name })
      continue
    }
    const match = line.length > LINE_CHARS_MAX ? null : LINE.exec(line)
    if (match === null || cases.length >= CASES_MAX) continue
    const [, indent = '', outcome, rest = ''] = match
    const parents = open.filter((parent) => parent.indent < indent.length)
    const path = parents.map((parent) => parent.name)
    if (suites.has(suiteName([...path, rest.replace(DIRECTIVE, '').trim()]))) continue
    cases.push(caseOf(outcome === 'ok', rest, suiteName(path)))
    for (let length = 1; length <= path.length; length++) suites.add(suiteName(path.slice(0, length)))
  }
  return plan && cases.length > 0 ? cases : undefined
}

function suiteName(path: readonly string[]): string {
  return path.join(' > ')
}

function caseOf(ok: boolean, rest: string, suite: string): TestCase {
  const directive = DIRECTIVE.exec(rest)?.[1]?.toLowerCase()
  const status = directive === 'skip' ? 'skipped' : ok ? 'passed' : directive ? 'skipped' : 'failed'
  return {
    suite,
    name: rest.replace(DIRECTIVE, '').trim(),
    status,
  }
}
