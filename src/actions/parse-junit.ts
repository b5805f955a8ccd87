/** JUnit XML as test runners write it; hostile input, so no entities, bounded depth and counts. */
import { XMLParser } from 'fast-xml-parser'
import type { TestCase } from '../schema/index.ts'

const CASES_MAX = 50_000
const DEPTH_MAX = 32
const MESSAGE_CHARS_MAX = 2000
/** Of the name of a test, and of a suite with all it lies in. */
const NAME_CHARS_MAX = 500

export type ParsedReport = { ok: true; cases: TestCase[] } | { ok: false; problem: string }

export function parseJUnit(bytes: Uint8Array): ParsedReport {
  const text = new TextDecoder().decode(bytes)
  if (/<!(DOCTYPE|ENTITY)/i.test(text)) return { ok: false, problem: 'it declares entities' }
  let root: unknown
  try {
    root = parser().parse(text, true)
  } catch (error) {
    return { ok: false, problem: error instanceof Error ? error.message : 'it is not XML' }
  }
  const cases: TestCase[] = []
  const found = walk(root, '', 0, cases)
  if (!found) return { ok: false, problem: 'it holds no <testsuite>' }
  return { ok: true, cases }
}

function parser(): XMLParser {
  return new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: '@',
    processEntities: false,
    parseTagValue: false,
    parseAttributeValue: false,
    isArray: (name) => ['testsuite', 'testcase', 'failure', 'error', 'skipped'].includes(name),
  })
}

/** Collects the cases below `node`; says whether any suite was there at all. */
function walk(node: unknown, suite: string, depth: number, cases: TestCase[]): boolean {
  if (!isObject(node) || depth > DEPTH_MAX) return false
  let found = false
  for (const inner of listOf(node['testsuites']))
    found = walk(inner, suite, depth + 1, cases) || found
  for (const inner of listOf(node['testsuite'])) {
    found = true
    const name = isObject(inner) ? text(inner['@name']) : ''
    const path = [suite, name].filter(Boolean).join(' > ').slice(0, NAME_CHARS_MAX)
    walk(inner, path, depth + 1, cases)
  }
  for (const inner of listOf(node['testcase'])) {
    if (cases.length < CASES_MAX && isObject(inner)) cases.push(caseOf(inner, suite))
  }
  return found
}

function caseOf(node: Record<string, unknown>, suite: string): TestCase {
  const problem = listOf(node['failure'])[0] ?? listOf(node['error'])[0]
  const status =
    node['failure'] !== undefined
      ? 'failed'
      : node['error'] !== undefined
        ? 'error'
        : node['skipped'] !== undefined
          ? 'skipped'
          : 'passed'
  const seconds = Number(text(node['@time']))
  return {
    suite: text(node['@classname']).slice(0, NAME_CHARS_MAX) || suite,
    name: text(node['@name']).slice(0, NAME_CHARS_MAX),
    status,
    ...(Number.isFinite(seconds) && seconds >= 0 && { durationMs: seconds * 1000 }),
    ...(problem !== undefined && { message: messageOf(problem) }),
  }
}

function messageOf(problem: unknown): string {
  const words = isObject(problem)
    ? [text(problem['@message']), text(problem['#text'])]
    : [text(problem)]
  return decode(words.filter(Boolean).join('\n')).slice(0, MESSAGE_CHARS_MAX)
}

const PREDEFINED: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }

/** The five entities XML has of itself; nothing else is expanded. */
function decode(value: string): string {
  return value.replace(
    /&(lt|gt|amp|quot|apos);/g,
    (whole, name: string) => PREDEFINED[name] ?? whole,
  )
}

function listOf(value: unknown): unknown[] {
  if (value === undefined || value === '') return []
  return Array.isArray(value) ? value : [value]
}

function text(value: unknown): string {
  return typeof value === 'string' ? decode(value).slice(0, MESSAGE_CHARS_MAX) : ''
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
