/**
 * Set-up, then the long tests of `test/soak`: hundreds of kills at random points, churn, load.
 * Arguments go to vitest: `npm run soak -- kills` runs the files with that in their name.
 */
import { packageProgram, runProgram } from '../run-program.ts'
import { runTask } from '../run-task.ts'
import { setUp } from '../setup/set-up.ts'

await runTask(async () => {
  await setUp({ rebuild: false })
  return await runProgram(
    [
      packageProgram('vitest/vitest.mjs'),
      'run',
      '--config',
      'vitest.soak.config.ts',
      ...process.argv.slice(2),
    ],
    { env: { OPENEXEC_REQUIRE_DOCKER: '1' } },
  )
})
