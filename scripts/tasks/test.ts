/**
 * Set-up, then every test there is, those that need Docker among them. The last line says how many
 * passed and failed; arguments go to vitest.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packageProgram, runProgram } from '../run-program.ts'
import { runTask } from '../run-task.ts'
import { setUp } from '../setup/set-up.ts'
import { readTotals } from '../test-totals.ts'

await runTask(async () => {
  await setUp({ rebuild: false })
  const folder = mkdtempSync(join(tmpdir(), 'openexec-test-'))
  const report = join(folder, 'report.json')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  try {
    const exitCode = await runProgram(
      [packageProgram('vitest/vitest.mjs'), 'run', ...reporters, ...process.argv.slice(2)],
      { env: { OPENEXEC_REQUIRE_DOCKER: '1', TESTCONTAINERS_RYUK_DISABLED: 'true' } },
    )
    const { passed, failed, skipped } = readTotals(report, exitCode)
    if (skipped > 0) console.log(`${skipped} skipped`)
    console.log(`${passed} passed, ${failed} failed`)
    return failed > 0 ? Math.max(exitCode, 1) : exitCode
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
