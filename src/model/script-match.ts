/** Compares what a turn expects with what the model was sent; tells every difference in words. */
import type { Message, ModelRequest } from '../schema/index.ts'
import type { Expectation, TextExpectation } from './script.ts'

export interface Mismatch {
  /** Which expectation, such as `last_user contains`. */
  what: string
  expected: string
  actual: string
}

/** Characters of an actual text shown in a mismatch. */
const SHOWN_MAX = 600

/** Every expectation that does not hold, in the order of the format; empty when all do. */
export function mismatchesOf(expect: Expectation, request: ModelRequest): Mismatch[] {
  return [...shapeMismatches(expect, request), ...messageMismatches(expect, request.messages)]
}

/** Mismatches as an indented expected/actual listing. */
export function showMismatches(mismatches: readonly Mismatch[]): string {
  return mismatches
    .map(({ what, expected, actual }) => {
      const rows = [`  ${what}`, `    expected: ${expected}`, `    actual:   ${actual}`]
      return rows.join('\n')
    })
    .join('\n')
}

function shapeMismatches(expect: Expectation, request: ModelRequest): Mismatch[] {
  const found: Mismatch[] = []
  if (expect.stage !== undefined && expect.stage !== request.stage)
    found.push({ what: 'stage', expected: quote(expect.stage), actual: quote(request.stage) })
  const offered = request.tools.map((tool) => tool.name)
  const missing = (expect.tools ?? []).filter((name) => !offered.includes(name))
  if (missing.length > 0)
    found.push({
      what: 'tools',
      expected: `with ${missing.join(', ')}`,
      actual: offered.join(', ') || 'none',
    })
  if (expect.messages !== undefined && expect.messages !== request.messages.length)
    found.push({
      what: 'messages',
      expected: String(expect.messages),
      actual: String(request.messages.length),
    })
  return [...found, ...textMismatches('system', expect.system, request.system)]
}

function messageMismatches(expect: Expectation, messages: readonly Message[]): Mismatch[] {
  const user = messages.findLast((message) => message.role === 'user')
  const tool = messages.findLast((message) => message.role === 'tool')
  const found = textMismatches('last_user', expect.last_user, user?.text)
  const { last_tool: expected } = expect
  if (expected === undefined) return found
  if (expected.name !== undefined && expected.name !== tool?.name)
    found.push({
      what: 'last_tool name',
      expected: quote(expected.name),
      actual: tool === undefined ? 'no tool result' : quote(tool.name),
    })
  if (expected.ok !== undefined && expected.ok !== tool?.ok)
    found.push({
      what: 'last_tool ok',
      expected: String(expected.ok),
      actual: tool === undefined ? 'no tool result' : `${tool.ok}: ${quote(tool.text)}`,
    })
  return [...found, ...textMismatches('last_tool', expected, tool?.text)]
}

function textMismatches(
  what: string,
  expect: TextExpectation | undefined,
  actual: string | undefined,
): Mismatch[] {
  if (expect === undefined) return []
  const shown = actual === undefined ? 'no such message' : quote(actual)
  const found: Mismatch[] = []
  if (expect.equals !== undefined && actual !== expect.equals)
    found.push({ what: `${what} equals`, expected: quote(expect.equals), actual: shown })
  for (const text of list(expect.contains))
    if (actual?.includes(text) !== true)
      found.push({ what: `${what} contains`, expected: quote(text), actual: shown })
  for (const text of list(expect.not_contains))
    if (actual?.includes(text) === true)
      found.push({ what: `${what} not_contains`, expected: quote(text), actual: shown })
  return found
}

function list(texts: string | readonly string[] | undefined): readonly string[] {
  if (texts === undefined) return []
  return typeof texts === 'string' ? [texts] : texts
}

function quote(text: string): string {
  const half = SHOWN_MAX / 2
  const short =
    text.length <= SHOWN_MAX
      ? text
      : `${text.slice(0, half)} … ${text.length - SHOWN_MAX} characters … ${text.slice(-half)}`
  return JSON.stringify(short)
}
