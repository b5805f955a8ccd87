import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Config } from '../config.ts'
import { type Document, OpenExecError, YAML_BYTES_MAX } from '../schema/index.ts'
import { type Connection, connect, type ConnectOptions } from './connect.ts'
import type { Io } from './io.ts'

/** What every command is registered with. */
export interface CommandContext {
  io: Io
  config: Config
  /** Words after `--` on the command line; undefined when there is no `--`. */
  command: readonly string[] | undefined
  /** `--server`, else OPENEXEC_URL: what commands speak to. */
  server: string | undefined
  /** The exit code of the process when the command returns. */
  exit(code: number): void
  /** Ends the process when the command returns, whatever still goes on in it. */
  leave(code: number): void
  now(): number
}

/** Options of every command that reads runs. */
export interface StateOptions {
  state?: string
  repo?: string
}

/** Options of those that can also print JSON. */
export interface JsonOptions extends StateOptions {
  json?: boolean
}

export function withStateOptions(command: Command): Command {
  return command
    .option('--repo <path>', 'repository whose runs are meant (default: the current one)')
    .option('--state <dir>', 'state directory (default: .openexec in the repository)')
}

/** The argument `<run>`: a whole id or a unique prefix of one. */
export function withRun(command: Command): Command {
  return command.argument('<run>', 'id of a run, or the beginning of one', runPrefix)
}

const PREFIX = /^(?:run_)?[0-9a-hjkmnp-tv-z]{1,16}$/

/** Refused here already, because an id becomes a part of an address. */
function runPrefix(text: string): string {
  const prefix = text.trim().toLowerCase()
  if (PREFIX.test(prefix)) return prefix
  throw new OpenExecError('bad_request', `Cannot find run "${text}": expected a run id`, {
    hint: 'List runs with `openexec ps`; the first characters of an id are enough',
  })
}

/** Opens the connection, runs `work`, and closes it on every path. */
export async function using<T>(
  context: CommandContext,
  options: Omit<ConnectOptions, 'io' | 'config' | 'state' | 'repo' | 'server'> & {
    from: StateOptions
  },
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const { from, ...rest } = options
  const connection = await connect({
    ...rest,
    io: context.io,
    config: context.config,
    server: context.server,
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

/** A count from the command line, `min` to `max`. Throws `bad_request`. */
export function wholeNumber(
  name: string,
  text: string,
  { min, max }: { min: number; max: number },
): number {
  const value = /^\d+$/.test(text.trim()) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  const expected = max === Number.MAX_SAFE_INTEGER ? `from ${min} on` : `from ${min} to ${max}`
  throw new OpenExecError(
    'bad_request',
    `Cannot use ${name} "${text}": expected a whole number ${expected}`,
  )
}

/** A file of the one who asks, to be sent: a server may not be able to read it. */
export async function documentOf({ io }: CommandContext, file: string): Promise<Document> {
  const content = await io.readFile(resolve(io.cwd, file), YAML_BYTES_MAX)
  return { file, text: new TextDecoder().decode(content) }
}
