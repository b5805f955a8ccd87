/** Sandboxes without a run: create, look, run commands, end. */
import type { Command } from 'commander'
import { OpenExecError, SandboxMode, SandboxWish } from '../../schema/index.ts'
import { registerCopy } from './sandbox-copy.ts'
import { bodyOf } from '../client.ts'
import {
  type CommandContext,
  READ,
  type JsonOptions,
  type StateOptions,
  using,
  withStateOptions,
} from '../command-context.ts'
import {
  durationOf,
  execCommand,
  EXEC_HELP,
  type ExecOptions,
  withExecOptions,
} from '../exec-options.ts'
import { localOf } from '../local-client.ts'
import { printJson, printTable } from '../print.ts'
import { readSandboxPrefix } from '../sandbox-place.ts'

const CREATE = { state_needed: 'create', launch: 'here' } as const

interface CreateOptions extends StateOptions {
  image: string
  mode: string
  ttl: string
  json?: boolean
}

export function registerSandbox(program: Command, context: CommandContext): void {
  const sandbox = program
    .command('sandbox')
    .description('Sandboxes for direct use, without a run.')
    .addHelpText('after', HELP)
  registerCreate(sandbox, context)
  registerExec(sandbox, context)
  registerCopy(sandbox, context)
  registerList(sandbox, context)
  registerEnd(sandbox, context, 'stop')
  registerEnd(sandbox, context, 'rm')
}

const HELP = `
Example:
  id=$(openexec sandbox create --image node --ttl 30m)
  openexec sandbox exec $id -it -- bash
  openexec sandbox exec $id -i -- sh -c 'cat > data.bin' < data.bin
  openexec sandbox cp input.csv $id:/workspace/ && openexec sandbox cp $id:out.csv .
  openexec sandbox rm $id

A sandbox has no network and an empty /workspace of its own. It lives on between commands until it
is removed or its time is over; one process at a time can use it. \`openexec gc\` removes what has
expired.`

function registerCreate(sandbox: Command, context: CommandContext): void {
  withStateOptions(sandbox.command('create').description('Start a sandbox and print its id.'))
    .option('--image <name>', 'image', 'base')
    .option('--mode <mode>', `one of ${SandboxMode.options.join(', ')}`, 'workspace_write')
    .option('--ttl <duration>', 'ends by itself after this time, at most 168h', '1h')
    .option('--json', 'print one JSON object')
    .action((options: CreateOptions) =>
      using(context, { ...CREATE, from: options }, async (connection) => {
        const { client } = localOf(connection)
        const wish = SandboxWish.safeParse({
          image: options.image,
          mode: options.mode,
          lifetimeMs: durationOf(options.ttl),
        })
        if (!wish.success) throw unusable(wish.error.issues[0]?.path.join('.') ?? '')
        const made = await bodyOf(client.v1.sandboxes.$post({ json: wish.data }))
        if (options.json === true) printJson(context.io, made)
        else context.io.out(made.id)
      }),
    )
}

function unusable(field: string): OpenExecError {
  const names: Record<string, string> = {
    image: '--image: expected the name of an image',
    mode: `--mode: expected one of ${SandboxMode.options.join(', ')}`,
    lifetimeMs: '--ttl: expected 1s to 168h',
  }
  return new OpenExecError('bad_request', `Cannot use ${names[field] ?? field}`)
}

function registerExec(sandbox: Command, context: CommandContext): void {
  const command = sandbox.command('exec').description('Run a command in a sandbox.')
  withExecOptions(withStateOptions(withSandbox(command)))
    .addHelpText('after', EXEC_HELP)
    .action((id: string, options: StateOptions & ExecOptions) =>
      using(context, { ...READ, from: options }, (connection) =>
        execCommand(
          context,
          { local: localOf(connection), path: `/v1/sandboxes/${id}/exec` },
          options,
        ),
      ),
    )
}

function registerList(sandbox: Command, context: CommandContext): void {
  withStateOptions(sandbox.command('ls').description('List sandboxes, oldest first.'))
    .option('--json', 'print one JSON object')
    .action((options: JsonOptions) =>
      using(context, { ...READ, from: options }, async (connection) => {
        const { client } = localOf(connection)
        const { sandboxes } = await bodyOf(client.v1.sandboxes.$get())
        if (options.json === true) return printJson(context.io, { sandboxes })
        const rows = sandboxes.map(({ id, image, state, expires_at }) => [
          id,
          image,
          state,
          expires_at < context.now() ? 'expired' : new Date(expires_at).toISOString(),
        ])
        printTable(context.io, ['ID', 'IMAGE', 'STATE', 'EXPIRES'], rows)
      }),
    )
}

function registerEnd(sandbox: Command, context: CommandContext, name: 'stop' | 'rm'): void {
  const command = sandbox
    .command(name)
    .description(
      name === 'stop'
        ? 'End all processes of a sandbox; its files stay until it is removed.'
        : 'Remove a sandbox with all its files.',
    )
  withStateOptions(withSandbox(command))
    .option('--json', 'print one JSON object')
    .action((id: string, options: JsonOptions) =>
      using(context, { ...READ, from: options }, async (connection) => {
        const { client } = localOf(connection)
        const one = client.v1.sandboxes[':id']
        const ended = await bodyOf(
          name === 'stop' ? one.stop.$post({ param: { id } }) : one.$delete({ param: { id } }),
        )
        if (options.json === true) printJson(context.io, ended)
        else context.io.out(ended.id)
      }),
    )
}

function withSandbox(command: Command): Command {
  return command.argument(
    '<sandbox>',
    'id of a sandbox, or the beginning of one',
    readSandboxPrefix,
  )
}
