/**
 * Finds what a test command reported: JUnit files in the workspace, else TAP on its output. The exit
 * code stays the authority; a report that disagrees with it is said, never believed.
 */
import { type JsonObject, OpenExecError, type TestCase } from '../schema/index.ts'
import type { ActionContext, CommandOutcome } from './action.ts'
import { findReports } from './find-reports.ts'
import { type ParsedReport, parseJUnit } from './parse-junit.ts'
import { parseTap } from './parse-tap.ts'

/** Of one report, and of all reports of a command: parsing cannot be interrupted. */
const REPORT_BYTES_MAX = 4 * 1024 * 1024
const REPORTS_BYTES_MAX = 8 * 1024 * 1024
const PROBLEM_CHARS_MAX = 200
const CASES_LISTED_MAX = 200

interface Collected {
  format: 'junit' | 'tap' | 'none'
  cases: readonly TestCase[]
  notes: string[]
}

export async function collectTests(
  context: ActionContext,
  outcome: CommandOutcome,
): Promise<{ report: JsonObject; sentence: string }> {
  const collected = await collect(context, outcome)
  const count = (status: TestCase['status']) =>
    collected.cases.filter((test) => test.status === status).length
  const failed = collected.cases.filter((test) => ['failed', 'error'].includes(test.status))
  const counts = {
    total: collected.cases.length,
    passed: count('passed'),
    failed: failed.length,
    skipped: count('skipped'),
  }
  const notes = [...collected.notes]
  if (outcome.result.exitCode === 0 && failed.length > 0)
    notes.push('The report names failed tests but the command exited 0: the exit code decides')
  return {
    report: {
      format: collected.format,
      counts,
      failures: failed.slice(0, CASES_LISTED_MAX).map(({ suite, name, status, message }) => ({
        suite,
        name,
        status,
        message: message ?? '',
      })),
      notes,
    },
    sentence:
      collected.format === 'none'
        ? 'no test report was found'
        : `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped (${collected.format})`,
  }
}

async function collect(context: ActionContext, outcome: CommandOutcome): Promise<Collected> {
  const notes: string[] = []
  const cases: TestCase[] = []
  let left = REPORTS_BYTES_MAX
  for (const file of await findReports(context)) {
    const content = await read(context, file, Math.min(left, REPORT_BYTES_MAX))
    left -= content?.length ?? 0
    const parsed = content && parseJUnit(content)
    const problem = parsed === undefined ? 'it is too large, or no regular file' : problemOf(parsed)
    if (problem !== undefined) notes.push(`Cannot read report "${file}": ${problem}`)
    else if (parsed?.ok === true) for (const each of parsed.cases) cases.push(each)
  }
  if (cases.length > 0) return { format: 'junit', cases, notes }
  const tap = parseTap(new TextDecoder().decode(await outcome.stdout.read(REPORTS_BYTES_MAX)))
  if (tap !== undefined) return { format: 'tap', cases: tap, notes }
  return { format: 'none', cases: [], notes }
}

function problemOf(parsed: ParsedReport): string | undefined {
  return parsed.ok ? undefined : parsed.problem.slice(0, PROBLEM_CHARS_MAX)
}

/** `undefined` for what cannot be read within the limit; a lost sandbox is thrown. */
async function read(
  context: ActionContext,
  path: string,
  maxBytes: number,
): Promise<Uint8Array | undefined> {
  const sandbox = await context.sandbox()
  try {
    return await sandbox.readFile(`/workspace/${path}`, { maxBytes: Math.max(1, maxBytes) })
  } catch (error) {
    if (error instanceof OpenExecError && UNREADABLE.has(error.code)) return undefined
    throw error
  }
}

const UNREADABLE: ReadonlySet<string> = new Set(['bad_request', 'not_found', 'sandbox_failed'])
