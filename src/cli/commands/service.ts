/** token, login, backup, wait: what belongs to a server and to runs that others execute. */
import type { Command } from 'commander'
import { resolve } from 'node:path'
import { OpenExecError, Scope, type Token } from '../../schema/index.ts'
import { bodyOf, createRemoteClient } from '../client.ts'
import { durationOf } from '../option-values.ts'
import {
  type CommandContext,
  READ,
  type JsonOptions,
  using,
  withRun,
  withStateOptions,
} from '../command-context.ts'
import { keepToken, serverUrl } from '../credentials.ts'
import { followRun } from '../follow.ts'
import { age, bytes, oneLine, printJson, printTable } from '../print.ts'
import { outcomeLines } from '../summary.ts'

export function registerService(program: Command, context: CommandContext): void {
  registerToken(program, context)
  registerLogin(program, context)
  registerBackup(program, context)
  registerWait(program, context)
}

const TOKEN_HELP = `
Examples:
  openexec token create ci --scope runs:create --scope runs:read --expires 720h --state DIR
  openexec token list --server https://openexec.example.com
  openexec token revoke tok_4x9k… --state DIR

With --state it works on the directory of a server itself, running or not; with --server it asks
the server, which wants a token of an administrator. The token is printed once and kept nowhere.`

function registerToken(program: Command, context: CommandContext): void {
  const token = program
    .command('token')
    .description('Make, list and revoke the tokens of a server.')
    .addHelpText('after', TOKEN_HELP)
  registerTokenCreate(token, context)
  withStateOptions(token.command('list').description('List tokens, without what they are.'))
    .option('--json', 'print one JSON object: {"tokens": [...]}')
    .action((options: JsonOptions) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const body = await bodyOf(client.v1.tokens.$get())
        if (options.json === true) return printJson(context.io, body)
        printTable(
          context.io,
          ['TOKEN', 'TENANT', 'NAME', 'SCOPES', 'CREATED', 'STATE'],
          body.tokens.map((each) => tokenRow(context, each)),
        )
      }),
    )
  withStateOptions(
    token.command('revoke').argument('<id>', 'id of a token').description('End a token at once.'),
  )
    .option('--json', 'print one JSON object')
    .action((id: string, options: JsonOptions) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const revoked = await bodyOf(client.v1.tokens[':id'].$delete({ param: { id } }))
        if (options.json === true) return printJson(context.io, revoked)
        context.io.out(`Revoked ${revoked.id}`)
      }),
    )
}

interface CreateWords extends JsonOptions {
  scope?: string[]
  tenant?: string
  expires?: string
}

function registerTokenCreate(token: Command, context: CommandContext): void {
  withStateOptions(
    token
      .command('create')
      .argument('<name>', 'what it is for')
      .description('Make a token and print it, this once.'),
  )
    .option('--scope <scope>', `one of ${Scope.options.join(', ')}; may be repeated`, collect)
    .option('--tenant <name>', 'whose it is (default: your own)')
    .option('--expires <duration>', 'how long it is valid, such as 720h (default: for ever)')
    .option('--json', 'print one JSON object')
    .action((name: string, options: CreateWords) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const { tenant, expires } = options
        const made = await bodyOf(
          client.v1.tokens.$post({
            json: {
              name,
              scopes: scopesOf(options.scope ?? []),
              ...(tenant !== undefined && { tenant }),
              ...(expires !== undefined && { expires_in_ms: durationOf('--expires', expires) }),
            },
          }),
        )
        if (options.json === true) return printJson(context.io, made)
        context.io.out(made.token)
        context.io.err(`${made.id} of tenant "${made.tenant}": ${made.scopes.join(', ')}`)
      }),
    )
}

function scopesOf(words: readonly string[]): Scope[] {
  if (words.length === 0)
    throw new OpenExecError('bad_request', 'Cannot create a token without a scope', {
      hint: `Give --scope; there are ${Scope.options.join(', ')}`,
    })
  return words.map((word) => {
    const scope = Scope.safeParse(word)
    if (scope.success) return scope.data
    throw new OpenExecError(
      'bad_request',
      `Cannot use --scope "${word}": expected one of ${Scope.options.join(', ')}`,
    )
  })
}

function tokenRow({ now }: CommandContext, token: Token): string[] {
  const { id, tenant, name, scopes, createdAt, expiresAt, revokedAt } = token
  const expired = expiresAt !== undefined && expiresAt <= now()
  const state = revokedAt !== undefined ? 'revoked' : expired ? 'expired' : 'valid'
  return [id, tenant, oneLine(name, 40), scopes.join(','), age(now(), createdAt), state]
}

const LOGIN_HELP = `
Example:
  openexec login https://openexec.example.com < token-file
  openexec ps --server https://openexec.example.com

The token is read from stdin, or from OPENEXEC_TOKEN, tried, and kept for this address alone.`

function registerLogin(program: Command, context: CommandContext): void {
  program
    .command('login')
    .argument('<url>', 'address of a server')
    .description('Keep the token of a server, so that --server is enough.')
    .addHelpText('after', LOGIN_HELP)
    .action(async (address: string) => {
      const { io, config } = context
      const url = serverUrl(address)
      const token = config.token ?? (await tokenFromInput(context))
      await bodyOf(createRemoteClient({ url, token }).v1.queue.$get())
      const file = await keepToken(config, url, token)
      io.err(`Kept the token of ${url} in ${file}`)
    })
}

const TOKEN_BYTES_MAX = 4096

async function tokenFromInput({ io }: CommandContext): Promise<string> {
  const text = new TextDecoder().decode(await io.readFile('/dev/stdin', TOKEN_BYTES_MAX)).trim()
  if (/^[\x21-\x7e]{1,200}$/.test(text)) return text
  throw new OpenExecError('bad_request', 'Cannot read a token from stdin: expected one line')
}

function registerBackup(program: Command, context: CommandContext): void {
  withStateOptions(
    program
      .command('backup')
      .argument('<directory>', 'where to; it must not be there yet')
      .description('Copy the state while it is used; start with --state DIRECTORY to restore.'),
  )
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      '\nExample:\n  openexec backup /backups/$(date +%F) --state /var/lib/openexec',
    )
    .action((directory: string, options: JsonOptions) =>
      using(context, { ...READ, from: options }, async ({ client, remote }) => {
        const file = remote ? directory : resolve(context.io.cwd, directory)
        const report = await bodyOf(client.v1.backup.$post({ json: { file } }))
        if (options.json === true) return printJson(context.io, report)
        context.io.out(`Copied ${bytes(report.bytes)} to ${report.file}`)
      }),
    )
}

const WAIT_HELP = `
Example:
  id=$(openexec run --detach check) && openexec wait $id && openexec apply $id

Returns when the run has ended or waits for a person, with the exit code of the run.`

function registerWait(program: Command, context: CommandContext): void {
  const command = program.command('wait').description('Wait until a run has ended.')
  withStateOptions(withRun(command))
    .option('--json', 'print one JSON object, as `openexec show --json` does')
    .addHelpText('after', WAIT_HELP)
    .action((id: string, options: JsonOptions) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const { io, exit } = context
        const { id: run } = await bodyOf(client.v1.runs[':id'].$get({ param: { id } }))
        const following = { run, after: 0, live: true, output: false, signal: io.signal }
        for await (const frame of followRun(client, following)) if (frame.type === 'end') break
        if (io.signal.aborted) return exit(130)
        const result = await bodyOf(client.v1.runs[':id'].result.$get({ param: { id: run } }))
        exit(result.exit_code)
        if (options.json === true) return printJson(io, result)
        for (const line of outcomeLines(io, result)) io.out(line)
      }),
    )
}

function collect(value: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), value]
}
