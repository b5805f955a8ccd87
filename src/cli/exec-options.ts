/** The options that `exec` and `sandbox exec` have in common. */
import type { Command } from 'commander'
import { Duration, ExecStart, OpenExecError } from '../schema/index.ts'
import type { CommandContext } from './command-context.ts'
import type { Keyboard } from './exec-input.ts'
import { runSession } from './exec-session.ts'
import { EMBEDDED_URL, type LocalConnection } from './local-client.ts'
import { openProcessKeyboard } from './process-keyboard.ts'

export interface ExecOptions {
  interactive?: boolean
  tty?: boolean
  env?: Record<string, string>
  workdir?: string
  timeout?: string
  raw?: boolean
}

export const EXEC_HELP = `
The exit code is the command's own, 0 to 255; 124 when its time was over; 128 + n when signal n
ended it. What is refused before it begins has the exit codes of every other command.`

export function withExecOptions(command: Command): Command {
  return command
    .option('-i, --interactive', 'pass standard input on')
    .option('-t, --tty', 'give the command a terminal (with -i: an interactive one)')
    .option('-e, --env <name=value>', 'set a variable; may be repeated', variable)
    .option('-w, --workdir <dir>', 'directory inside', '/workspace')
    .option('--timeout <duration>', 'end the command after this time')
    .option('--raw', 'pass terminal control sequences of the sandbox through; -t does as well')
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

function variable(text: string, before: Record<string, string> = {}): Record<string, string> {
  const equals = text.indexOf('=')
  const name = equals === -1 ? text : text.slice(0, equals)
  if (equals !== -1 && NAME.test(name)) return { ...before, [name]: text.slice(equals + 1) }
  throw new OpenExecError('bad_request', `Cannot use --env "${text}": expected NAME=VALUE`)
}

/** Runs what stands after `--` and passes its exit code on. */
export async function execCommand(
  context: CommandContext,
  { local, path }: { local: LocalConnection; path: string },
  options: ExecOptions,
): Promise<void> {
  const keyboard = openProcessKeyboard()
  const start = startOf(context, keyboard, options)
  const url = new URL(path, EMBEDDED_URL).href
  const raw = options.raw === true || options.tty === true
  const { io } = context
  context.exit(await runSession(start, { io, keyboard, fetch: local.fetch, url, raw }))
}

function startOf(
  { command }: CommandContext,
  keyboard: Keyboard,
  { interactive = false, tty = false, env = {}, workdir, timeout }: ExecOptions,
): ExecStart {
  if (command === undefined || command.length === 0)
    throw new OpenExecError('bad_request', 'Cannot run a command: none was given', {
      hint: 'Put it after --, for example: -- sh -c "ls -l"',
    })
  if (tty && interactive && !keyboard.isTerminal)
    throw new OpenExecError('bad_request', 'Cannot use -t: standard input is no terminal', {
      hint: 'Leave -t out to pipe standard input into the command',
    })
  return ExecStart.parse({
    argv: command,
    env: tty ? { TERM: 'xterm-256color', ...env } : env,
    cwd: workdir,
    stdin: interactive,
    ...(timeout !== undefined && { timeoutMs: durationOf(timeout) }),
    ...(tty && { terminal: keyboard.size() ?? { rows: 24, columns: 80 } }),
  })
}

export function durationOf(text: string): number {
  const parsed = Duration.safeParse(text)
  if (parsed.success) return parsed.data
  throw new OpenExecError(
    'bad_request',
    `Cannot use "${text}": expected a duration such as 90s, 10m or 2h, at most 596h`,
  )
}
