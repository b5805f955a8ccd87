import type { Command } from 'commander'
import type { Config } from '../config.ts'
import { OpenExecError } from '../schema/index.ts'
import { type Connection, connect, type ConnectOptions } from './connect.ts'
import type { Io } from './io.ts'

/** What every command is registered with. */
export interface CommandContext {
  io: Io
  config: Config
  /** Words after `--` on the command line; undefined when there is no `--`. */
  command: readonly string[] | undefined
  /** The exit code of the process when the command returns. */
  exit(code: number): void
  now(): number
}

/** Options of every command that reads runs. */
export interface StateOptions {
  state?: string
  repo?: string
}

export function withStateOptions(command: Command): Command {
  return command
    .option('--repo <path>', 'repository whose runs are meant (default: the current one)')
    .option('--state <dir>', 'state directory (default: .openexec in the repository)')
}

/** Opens the connection, runs `work`, and closes it on every path. */
export async function using<T>(
  context: CommandContext,
  options: Omit<ConnectOptions, 'io' | 'config' | 'state' | 'repo'> & { from: StateOptions },
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const { from, ...rest } = options
  const connection = await connect({
    ...rest,
    io: context.io,
    config: context.config,
    state: from.state,
    repo: from.repo,
  })
  try {
    return await work(connection)
  } finally {
    await connection.close()
  }
}

export const READ = { state_needed: 'existing', launch: 'here' } as const
export const CATALOG = { state_needed: 'nothing', launch: 'here', from: {} } as const

/** A count from the command line. Throws `bad_request`. */
export function wholeNumber(name: string, text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new OpenExecError('bad_request', `Cannot use ${name} "${text}": expected a whole number`)
}
