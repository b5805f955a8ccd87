/** cancel, resume, approve, reject: what a person may do to a run that has not ended. */
import type { Command } from 'commander'
import { setTimeout as wait } from 'node:timers/promises'
import { OpenExecError, type RunId } from '../../schema/index.ts'
import { attach, type AttachOptions } from '../attach.ts'
import { bodyOf, type Client } from '../client.ts'
import {
  type CommandContext,
  READ,
  type StateOptions,
  using,
  withRun,
  withStateOptions,
} from '../command-context.ts'
import type { Connection } from '../connect.ts'
import { readEdit } from '../edit-approval.ts'
import { printJson } from '../print.ts'

interface ControlOptions extends StateOptions, AttachOptions {
  reason?: string
  detach?: boolean
  edit?: string | true
}

export function registerControl(program: Command, context: CommandContext): void {
  registerCancel(program, context)
  registerResume(program, context)
  registerDecision(program, context, true)
  registerDecision(program, context, false)
}

function registerCancel(program: Command, context: CommandContext): void {
  const command = program.command('cancel').description('Stop a run; nothing of it stays behind.')
  withStateOptions(withRun(command))
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      '\nExample:\n  openexec cancel 4x9k     the first characters of an id are enough',
    )
    .action((id: string, options: ControlOptions) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const run = await bodyOf(client.v1.runs[':id'].cancel.$post({ param: { id } }))
        if (options.json === true)
          return printJson(context.io, { run: run.id, status: run.status, cancel_requested: true })
        const ended = run.status === 'cancelled'
        context.io.out(ended ? `Cancelled ${run.id}` : `Asked ${run.id} to stop`)
      }),
    )
}

function registerResume(program: Command, context: CommandContext): void {
  const command = program
    .command('resume')
    .description('Go on with a run that was interrupted, or that waited for approval.')
  withStateOptions(withRun(command))
    .option('--detach', 'print the id of the run and return; it goes on in the background')
    .option('--json', 'print one JSON object at the end')
    .option('-q, --quiet', 'no progress lines; a summary only when the run does not succeed')
    .option('--raw', 'pass terminal control sequences of the sandbox through')
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  openexec ps --status paused          runs whose process died\n' +
        '  openexec resume 4x9k                 go on where the last completed stage ended\n' +
        '  openexec approve 4x9k && openexec resume 4x9k\n\n' +
        'A stage that was cut short begins again, from the tree it began with the first time.\n' +
        'Exit codes are those of `openexec run`.',
    )
    .action((id: string, options: ControlOptions) => {
      const launch = options.detach === true ? 'worker' : 'here'
      return using(context, { ...READ, launch, from: options }, async ({ client, remote }) => {
        const { steps } = await bodyOf(client.v1.runs[':id'].steps.$get({ param: { id } }))
        const seen = new Set(steps.map(({ stage, attempt }) => `${stage}.${attempt}`))
        const { run, after } = await bodyOf(client.v1.runs[':id'].resume.$post({ param: { id } }))
        if (options.detach !== true)
          return await attach(context, { client, run, after, seen }, options)
        if (!remote) await waitForWorker(client, run.id)
        if (options.json === true) printJson(context.io, { run: run.id, status: run.status })
        else context.io.out(run.id)
      })
    })
}

const WORKER_LOOKS = 100
const WORKER_LOOK_MS = 100

/** Whoever follows the run from now on must not find it at rest. */
async function waitForWorker(client: Client, id: RunId): Promise<void> {
  for (let look = 0; look < WORKER_LOOKS; look++) {
    const run = await bodyOf(client.v1.runs[':id'].$get({ param: { id } }))
    if (run.owner !== undefined || run.endedAt !== undefined) return
    await wait(WORKER_LOOK_MS)
  }
  throw new OpenExecError('internal', `Cannot resume run "${id}": its worker does not start`, {
    hint: `Resume it here with \`openexec resume ${id}\``,
  })
}

function registerDecision(program: Command, context: CommandContext, approve: boolean): void {
  const name = approve ? 'approve' : 'reject'
  const command = program
    .command(name)
    .description(
      approve
        ? 'Allow once what a run asks for; go on with `openexec resume`.'
        : 'Refuse what a run asks for; `openexec resume` ends it accordingly.',
    )
  withStateOptions(
    withRun(command).argument('[approval]', 'which request, when more than one is open'),
  ).option('--reason <text>', 'is recorded with the decision')
  if (approve)
    command.option(
      '--edit [file]',
      'allow another command instead, from an editor, a file or stdin (-): `argv: [npm, test]`',
    )
  command
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      '\nExample:\n' +
        '  openexec ps --status awaiting_approval\n' +
        '  openexec show 4x9k                   what it asks for\n' +
        `  openexec ${name} 4x9k --reason "looked at the script" && openexec resume 4x9k` +
        (approve
          ? '\n  openexec approve 4x9k --edit           change the command in $EDITOR first\n' +
            "  echo 'argv: [npm, ci]' | openexec approve 4x9k --edit -"
          : ''),
    )
    .action((id: string, approval: string | undefined, options: ControlOptions) =>
      using(context, { ...READ, from: options }, (connection) =>
        decide(context, connection, { id, approval, approve, options }),
      ),
    )
}

interface Decided {
  id: string
  approval: string | undefined
  approve: boolean
  options: ControlOptions
}

async function decide(
  { io, config }: CommandContext,
  { client }: Pick<Connection, 'client'>,
  { id, approval, approve, options }: Decided,
): Promise<void> {
  const { reason, edit: from, json } = options
  const edited = async (wanted: string | true) => {
    const known = await bodyOf(client.v1.runs[':id'].$get({ param: { id } }))
    const source = { io, client, editor: config.editor, from: wanted }
    return await readEdit(source, { id: known.id, approval })
  }
  const edit = from === undefined ? undefined : await edited(from)
  const run = await bodyOf(
    client.v1.runs[':id'].decide.$post({
      param: { id },
      json: {
        approve,
        ...(approval !== undefined && { approval }),
        ...(reason !== undefined && { reason }),
        ...(edit !== undefined && { edit }),
      },
    }),
  )
  if (json === true)
    return printJson(io, { run: run.id, approve, ...(edit !== undefined && { edit }) })
  const word = approve ? (edit === undefined ? 'Approved' : 'Approved with the edit') : 'Rejected'
  io.out(`${word}; go on with: openexec resume ${run.id}`)
}
