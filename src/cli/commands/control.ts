/** cancel, resume, approve, reject: what a person may do to a run that has not ended. */
import type { Command } from 'commander'
import { exitCodeOf } from '../../schema/index.ts'
import { bodyOf } from '../client.ts'
import { type CommandContext, READ, type StateOptions, using, withStateOptions } from '../command-context.ts'
import { followRun } from '../follow.ts'
import { printJson } from '../print.ts'
import { createProgress } from '../progress.ts'
import { summaryLines } from '../summary.ts'

interface ControlOptions extends StateOptions {
  json?: boolean
  quiet?: boolean
  reason?: string
  detach?: boolean
}

export function registerControl(program: Command, context: CommandContext): void {
  withStateOptions(
    program.command('cancel').argument('<run>').description('Stop a run; nothing of it stays behind.'),
  )
    .option('--json', 'print JSON')
    .action((id: string, options: ControlOptions) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const run = await bodyOf(client.v1.runs[':id'].cancel.$post({ param: { id } }))
        if (options.json === true)
          return printJson(context.io, { run: run.id, status: run.status, cancelRequested: true })
        const ended = run.status === 'cancelled'
        context.io.out(ended ? `Cancelled ${run.id}` : `Asked ${run.id} to stop`)
      }),
    )
  registerResume(program, context)
  for (const approve of [true, false]) registerDecision(program, context, approve)
}

function registerResume(program: Command, context: CommandContext): void {
  withStateOptions(
    program
      .command('resume')
      .argument('<run>')
      .description('Go on with a run that was interrupted, or that waited for approval.'),
  )
    .option('--detach', 'return at once')
    .option('--json', 'print one JSON object at the end')
    .option('-q, --quiet', 'no progress lines')
    .action((id: string, options: ControlOptions) => {
      const launch = options.detach === true ? 'worker' : 'here'
      const connection = { ...READ, launch, from: options } as const
      return using(context, connection, async ({ client }) => {
        const { io } = context
        const { run, after } = await bodyOf(client.v1.runs[':id'].resume.$post({ param: { id } }))
        if (options.detach === true) return io.out(run.id)
        const quiet = options.quiet ?? false
        const cancel = () => void client.v1.runs[':id'].cancel.$post({ param: { id: run.id } })
        io.signal.addEventListener('abort', cancel, { once: true })
        const progress = createProgress(io, { passThrough: false, quiet, raw: false })
        for await (const frame of followRun(client, { run: run.id, after, live: true }))
          await progress.show(frame)
        await progress.end()
        const result = await bodyOf(client.v1.runs[':id'].result.$get({ param: { id: run.id } }))
        context.exit(exitCodeOf(result))
        if (options.json === true) printJson(io, result)
        else for (const line of summaryLines(io, result)) io.out(line)
      })
    })
}

function registerDecision(program: Command, context: CommandContext, approve: boolean): void {
  const name = approve ? 'approve' : 'reject'
  withStateOptions(
    program
      .command(name)
      .argument('<run>')
      .argument('[approval]', 'which request, when more than one is open')
      .description(
        approve
          ? 'Allow once what a run asks for; go on with `openexec resume`.'
          : 'Refuse what a run asks for.',
      ),
  )
    .option('--reason <text>', 'is recorded')
    .option('--json', 'print JSON')
    .action((id: string, approval: string | undefined, options: ControlOptions) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const run = await bodyOf(
          client.v1.runs[':id'].decide.$post({
            param: { id },
            json: {
              approve,
              ...(approval !== undefined && { approval }),
              ...(options.reason !== undefined && { reason: options.reason }),
            },
          }),
        )
        if (options.json === true) return printJson(context.io, { run: run.id, approve })
        context.io.out(`${approve ? 'Approved' : 'Rejected'}; go on with: openexec resume ${run.id}`)
      }),
    )
}
