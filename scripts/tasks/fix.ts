/** Formats, and corrects what the linter can correct without a person. */
import { packageProgram, runProgram } from '../run-program.ts'
import { runTask } from '../run-task.ts'

await runTask(async () => {
  const lint = await runProgram([packageProgram('oxlint/bin/oxlint'), '--fix'], { env: {} })
  const format = await runProgram([packageProgram('oxfmt/bin/oxfmt')], { env: {} })
  return Math.max(lint, format)
})
