import { ERROR_TABLE, OpenExecError } from '../src/schema/index.ts'

const EXIT_BUG = 125

/** Runs a task to its exit code. A known failure is told with its remedy, anything else whole. */
export async function runTask(task: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await task()
  } catch (error) {
    if (error instanceof OpenExecError) {
      console.error(`openexec: ${error.message}`)
      const log = error.details?.['log']
      if (typeof log === 'string') console.error(log)
      if (error.hint !== undefined) console.error(`  → ${error.hint}`)
      process.exitCode = ERROR_TABLE[error.code].exit
    } else {
      console.error(error)
      process.exitCode = EXIT_BUG
    }
  }
}
