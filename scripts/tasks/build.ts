/** Builds `dist`, what the package ships: the program in a few files, and the types of its client. */
import { packageProgram, runProgram } from '../run-program.ts'
import { runTask } from '../run-task.ts'
import { buildProgram } from '../setup/program.ts'

await runTask(async () => {
  await buildProgram()
  const tsc = [packageProgram('typescript/bin/tsc'), '--project', 'tsconfig.build.json']
  return await runProgram(tsc, { env: {} })
})
