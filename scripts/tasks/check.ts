/** Whether the code is good: everything that needs no Docker and no network. */
import { performance } from 'node:perf_hooks'
import { packageProgram, runProgram } from '../run-program.ts'
import { runTask } from '../run-task.ts'

interface Step {
  name: string
  argv: readonly string[]
}

const STEPS: readonly Step[] = [
  { name: 'format', argv: [packageProgram('oxfmt/bin/oxfmt'), '--check'] },
  { name: 'lint', argv: [packageProgram('oxlint/bin/oxlint'), '--deny-warnings'] },
  { name: 'types', argv: [packageProgram('typescript/bin/tsc')] },
  { name: 'dead code', argv: [packageProgram('knip/bin/knip.js')] },
  {
    name: 'unit and architecture tests',
    argv: [packageProgram('vitest/vitest.mjs'), 'run', '--project', 'unit'],
  },
]

await runTask(async () => {
  const failed: string[] = []
  for (const { name, argv } of STEPS) {
    const started = performance.now()
    console.log(`check: ${name}`)
    const exitCode = await runProgram(argv, { env: {} })
    const took = `${((performance.now() - started) / 1000).toFixed(1)} s`
    console.log(`check: ${name} ${exitCode === 0 ? 'ok' : 'FAILED'} (${took})`)
    if (exitCode > 128) return exitCode
    if (exitCode !== 0) failed.push(name)
  }
  console.log(failed.length === 0 ? 'check: all good' : `check: FAILED: ${failed.join(', ')}`)
  return failed.length === 0 ? 0 : 1
})
