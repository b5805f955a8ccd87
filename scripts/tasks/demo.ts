/** Set-up, then the demo; arguments go there. */
import { join } from 'node:path'
import { runProgram } from '../run-program.ts'
import { runTask } from '../run-task.ts'
import { projectRoot } from '../setup/project-root.ts'
import { setUp } from '../setup/set-up.ts'

await runTask(async () => {
  await setUp({ rebuild: false })
  return runProgram([join(projectRoot, 'scripts/demo/main.ts'), ...process.argv.slice(2)], {
    env: {},
  })
})
