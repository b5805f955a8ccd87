/**
 * TAP 13 and 14 on a command's output, subtests by indentation, as node:test and many others write
 * it. The text is hostile: every pattern is anchored, none can backtrack, and names, depth and
 * counts are bounded, because nothing interrupts this once it runs.
 */
import type { TestCase } from '../schema/index.ts'

const CASES_MAX = 50_000
/** Longer lines are no TAP. */
const LINE_CHARS_MAX = 4096
const NAME_CHARS_MAX = 500
const DEPTH_MAX = 32
const SUITES_MAX = 10_000

const SUBTEST = '# Subtest'
const RESULT = /^(?:not ok|ok)(?![A-Za-z0-9_])/
const DIRECTIVE = /#\s?(skip|todo)\b/i

/** `undefined` when the text is no TAP at all. */
export function parseTap(text: string): TestCase[] | undefined {
  const reader = createReader()
  let start = 0
  while (start <= text.length) {
    const found = text.indexOf('\n', start)
    const end = found === -1 ? text.length : found
    if (end - start <= LINE_CHARS_MAX) reader.read(text.slice(start, end))
    start = end + 1
  }
  return reader.result()
}

interface Open {
  indent: number
  /** Names of the parents and its own, joined and cut. */
  suite: string
}

function createReader() {
  let plan = false
  const cases: TestCase[] = []
  /** Suites that hold a case: the closing line of a subtest repeats what its children said. */
  const filled = new Set<string>()
  let open: Open[] = []

  function parentsOf(indent: number): Open[] {
    return open.filter((parent) => parent.indent < indent)
  }

  function begin(indent: number, name: string): void {
    open = parentsOf(indent)
    if (open.length >= DEPTH_MAX) return
    open.push({ indent, suite: joined(open.at(-1)?.suite, name) })
  }

  function add(indent: number, line: string): void {
    if (cases.length >= CASES_MAX) return
    const ok = line.startsWith('ok')
    const { name, directive } = described(line.slice(ok ? 2 : 6))
    const parents = parentsOf(indent)
    const suite = parents.at(-1)?.suite ?? ''
    if (filled.has(joined(parents.at(-1)?.suite, name))) return
    const passed = ok ? 'passed' : 'failed'
    const status = directive === 'skip' || (!ok && directive === 'todo') ? 'skipped' : passed
    cases.push({ suite, name, status })
    for (const parent of parents) if (filled.size < SUITES_MAX) filled.add(parent.suite)
  }

  return {
    read(raw: string): void {
      const line = raw.trim()
      const indent = raw.length - raw.trimStart().length
      if (line.startsWith('TAP version ') || /^1\.\.\d/.test(line)) plan = true
      else if (line.startsWith(SUBTEST))
        begin(indent, line.slice(SUBTEST.length).replace(/^:/, '').trim())
      else if (RESULT.test(line)) add(indent, line)
    },
    result: (): TestCase[] | undefined => (plan && cases.length > 0 ? cases : undefined),
  }
}

/** What follows `ok`: a number, a dash, the name, and a directive behind `#`. */
function described(text: string): { name: string; directive: string | undefined } {
  const bare = text.trimStart().replace(/^\d+/, '').trimStart()
  const words = bare.startsWith('-') ? bare.slice(1) : bare
  const found = DIRECTIVE.exec(words)
  const name = found === null ? words : words.slice(0, found.index)
  return { name: name.trim().slice(0, NAME_CHARS_MAX), directive: found?.[1]?.toLowerCase() }
}

function joined(parent: string | undefined, name: string): string {
  const whole = parent === undefined ? name : `${parent} > ${name}`
  return whole.slice(0, NAME_CHARS_MAX)
}
