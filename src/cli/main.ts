/** argv → command → exit code. The only place that ends the process. */
import { CommanderError } from 'commander'
import { readConfig } from '../config.ts'
import { ERROR_TABLE, OpenExecError, toErrorBody } from '../schema/index.ts'
import type { CommandContext } from './command-context.ts'
import type { Io } from './io.ts'
import { paint, printJson } from './print.ts'
import { openProcessIo } from './process-io.ts'
import { createProgram } from './program.ts'
import { safeText } from './terminal.ts'

const USAGE_EXIT = 2

export async function main(argv: readonly string[]): Promise<number> {
  const config = readConfig()
  const { io, close } = openProcessIo(config)
  let exitCode = 0
  let leaves = false
  const dashes = argv.indexOf('--')
  // What comes after `--` is the task's own and never an option of ours.
  const words = dashes === -1 ? argv : argv.slice(0, dashes)
  const context: CommandContext = {
    io,
    config,
    server: config.serverUrl,
    command: dashes === -1 ? undefined : argv.slice(dashes + 1),
    exit: (code) => {
      exitCode = code
    },
    leave: (code) => {
      exitCode = code
      leaves = true
    },
    now: Date.now,
  }
  try {
    await createProgram(context).parseAsync([...words], { from: 'user' })
    return exitCode
  } catch (error) {
    return reportFailure(io, error, words.includes('--json'))
  } finally {
    await close()
    if (leaves) process.exit(exitCode)
  }
}

function reportFailure(io: Io, error: unknown, json: boolean): number {
  // Help and version are shown by commander; only help that nobody asked for is a usage error.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_EXIT
  const body = toErrorBody(error)
  if (json) printJson(io, { error: body })
  else {
    io.err(`${paint(io, 'red', 'error')}: ${safeText(shortened(body.message))}`)
    if (body.hint !== undefined) io.err(`  ${safeText(body.hint).replaceAll('\n', '\n  ')}`)
  }
  if (!(error instanceof OpenExecError))
    io.err(error instanceof Error ? (error.stack ?? error.message) : String(error))
  return ERROR_TABLE[body.code].exit
}

const MESSAGE_LINES_MAX = 12

/** The first problems of a long list: whoever fixes those sees the next ones. */
function shortened(message: string): string {
  const lines = message.split('\n')
  if (lines.length <= MESSAGE_LINES_MAX) return message
  const shown = lines.slice(0, MESSAGE_LINES_MAX)
  return [...shown, '… and more (--json prints them all)'].join('\n')
}

process.exitCode = await main(process.argv.slice(2))
