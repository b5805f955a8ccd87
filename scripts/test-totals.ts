import { readFileSync } from 'node:fs'
import { z } from 'zod'

export interface Totals {
  passed: number
  failed: number
  skipped: number
}

const Report = z.object({
  testResults: z.array(
    z.object({
      status: z.string(),
      assertionResults: z.array(z.object({ status: z.string() })),
    }),
  ),
})

/**
 * Counts tests in vitest's JSON report. What fails outside of any test (a file that does not load,
 * an unhandled rejection, a run that never wrote its report) counts as one failure, so that the
 * totals and the exit code cannot disagree.
 */
export function readTotals(report: string, exitCode: number): Totals {
  const files = readReport(report)
  const statuses = files.flatMap((file) => file.assertionResults.map(({ status }) => status))
  const count = (wanted: string) => statuses.filter((status) => status === wanted).length
  const broken = files.filter(
    (file) =>
      file.status === 'failed' && !file.assertionResults.some(({ status }) => status === 'failed'),
  )
  const passed = count('passed')
  const failed = count('failed') + broken.length
  const skipped = statuses.length - passed - count('failed')
  return { passed, failed: failed === 0 && exitCode !== 0 ? 1 : failed, skipped }
}

function readReport(report: string): z.infer<typeof Report>['testResults'] {
  try {
    return Report.parse(JSON.parse(readFileSync(report, 'utf8'))).testResults
  } catch {
    return []
  }
}
