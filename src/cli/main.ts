/** argv → command → exit code. The only place that ends the process. */
import { Command, CommanderError } from 'commander'
import { readFileSync } from 'node:fs'
import { readConfig } from '../config.ts'
import { ERROR_TABLE, OpenExecError, toErrorBody } from '../schema/index.ts'
import type { CommandContext } from './command-context.ts'
import { registerCatalog } from './commands/catalog.ts'
import { registerControl } from './commands/control.ts'
import { registerMaintain } from './commands/maintain.ts'
import { registerRead } from './commands/read.ts'
import { registerResults } from './commands/results.ts'
import { registerRun } from './commands/run.ts'
import type { Io } from './io.ts'
import { paint, printJson } from './print.ts'
import { openProcessIo } from './process-io.ts'

const USAGE_EXIT = 2

export async function main(argv: readonly string[]): Promise<number> {
  const config = readConfig()
  const { io, close } = openProcessIo(config)
  let exitCode = 0
  const dashes = argv.indexOf('--')
  const context: CommandContext = {
    io,
    config,
    command: dashes === -1 ? undefined : argv.slice(dashes + 1),
    exit: (code) => {
      exitCode = code
    },
    now: Date.now,
  }
  try {
    const words = dashes === -1 ? argv : argv.slice(0, dashes)
    await createProgram(context).parseAsync([...words], { from: 'user' })
    return exitCode
  } catch (error) {
    return reportFailure(io, error, argv.includes('--json'))
  } finally {
    await close()
  }
}

function createProgram(context: CommandContext): Command {
  const program = new Command('openexec')
    .description('Runs what nobody has to trust, each run in a container of its own, and proves what was enforced.')
    .version(versionOf(), '-V, --version')
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({ writeErr: (text) => context.io.err(text.trimEnd()), writeOut: (text) => context.io.out(text.trimEnd()) })
    .addHelpText('after', '\nStart with: openexec doctor · openexec run --help · openexec blueprint list')
  registerRun(program, context)
  registerRead(program, context)
  registerResults(program, context)
  registerControl(program, context)
  registerCatalog(program, context)
  registerMaintain(program, context)
  for (const command of everyCommand(program)) command.exitOverride().showHelpAfterError('(see --help)')
  return program
}

function everyCommand(command: Command): Command[] {
  return command.commands.flatMap((child) => [child, ...everyCommand(child)])
}

function reportFailure(io: Io, error: unknown, json: boolean): number {
  // commander has already written its message; help and version end with 0.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_EXIT
  const body = toErrorBody(error)
  if (json) printJson(io, { error: body })
  else {
    io.err(`${paint(io, 'red', 'error')}: ${body.message}`)
    if (body.hint !== undefined) io.err(`  ${body.hint.replaceAll('\n', '\n  ')}`)
  }
  if (!(error instanceof OpenExecError)) io.err(error instanceof Error ? (error.stack ?? '') : String(error))
  return ERROR_TABLE[body.code].exit
}

function versionOf(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  const parsed: unknown = JSON.parse(text)
  const version = parsed !== null && typeof parsed === 'object' && 'version' in parsed ? parsed.version : ''
  return String(version)
}

process.exitCode = await main(process.argv.slice(2))
