/** Emits `dist`: plain JavaScript and types of `src` without its tests, nothing bundled. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { packageProgram, runProgram } from '../run-program.ts'
import { runTask } from '../run-task.ts'
import { projectRoot } from '../setup/project-root.ts'

await runTask(() => {
  rmSync(join(projectRoot, 'dist'), { recursive: true, force: true })
  return runProgram([packageProgram('typescript/bin/tsc'), '--project', 'tsconfig.build.json'], {
    env: {},
  })
})
