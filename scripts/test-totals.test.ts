import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { readTotals } from './test-totals.ts'

function reportOf(files: readonly { status: string; tests: readonly string[] }[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'test-totals-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const testResults = files.map(({ status, tests }) => ({
    status,
    assertionResults: tests.map((test) => ({ status: test })),
  }))
  writeFileSync(join(folder, 'report.json'), JSON.stringify({ testResults }))
  return join(folder, 'report.json')
}

test('readTotals() counts passed, failed and skipped tests', () => {
  const report = reportOf([
    { status: 'passed', tests: ['passed', 'passed', 'pending'] },
    { status: 'failed', tests: ['passed', 'failed'] },
  ])
  expect(readTotals(report, 1)).toEqual({ passed: 3, failed: 1, skipped: 1 })
})

test('readTotals() counts a file that did not load as a failure', () => {
  const report = reportOf([{ status: 'failed', tests: [] }])
  expect(readTotals(report, 1)).toEqual({ passed: 0, failed: 1, skipped: 0 })
})

test('readTotals() never says "0 failed" of a run that failed', () => {
  expect(readTotals(reportOf([{ status: 'passed', tests: ['passed'] }]), 1).failed).toBe(1)
  expect(readTotals('/nowhere/report.json', 1)).toEqual({ passed: 0, failed: 1, skipped: 0 })
})
