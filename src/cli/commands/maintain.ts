/** gc, and the hidden worker that executes a detached run. */
import type { Command } from 'commander'
import { Duration, exitCodeOf, OpenExecError, RunId } from '../../schema/index.ts'
import { bodyOf } from '../client.ts'
import {
  type CommandContext,
  READ,
  type StateOptions,
  using,
  wholeNumber,
  withStateOptions,
} from '../command-context.ts'
import { followRun } from '../follow.ts'
import { bytes, printJson } from '../print.ts'

export function registerMaintain(program: Command, context: CommandContext): void {
  registerGc(program, context)
  registerWorker(program, context)
}

function registerGc(program: Command, context: CommandContext): void {
  withStateOptions(
    program
      .command('gc')
      .description('Remove what crashed runs left behind, and old runs with their artifacts.'),
  )
    .option('--older-than <duration>', 'age of the runs to remove', '720h')
    .option('--keep <count>', 'newest runs to keep whatever their age', '20')
    .option('--json', 'print JSON')
    .action((options: StateOptions & { olderThan: string; keep: string; json?: boolean }) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const olderThan = Duration.safeParse(options.olderThan)
        if (!olderThan.success)
          throw new OpenExecError(
            'bad_request',
            `Cannot use --older-than "${options.olderThan}": expected a duration such as 24h`,
          )
        const keep = wholeNumber('--keep', options.keep)
        const report = await bodyOf(
          client.v1.gc.$post({ json: { olderThanMs: olderThan.data, keep } }),
        )
        if (options.json === true) return printJson(context.io, report)
        const { interrupted, containers, volumes, workspaces, runs, freed } = report
        context.io.out(
          `Removed ${runs.length} runs, ${containers.length} containers, ${volumes.length} volumes, ${workspaces.length} workspaces; freed ${bytes(freed)}`,
        )
        for (const id of interrupted)
          context.io.out(`Interrupted: ${id} — go on with: openexec resume ${id}`)
      }),
    )
}

function registerWorker(program: Command, context: CommandContext): void {
  withStateOptions(program.command('worker', { hidden: true }).argument('<run>')).action(
    (id: string, options: StateOptions) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const run = RunId.parse(id)
        await bodyOf(client.v1.runs[':id'].resume.$post({ param: { id: run } }))
        for await (const frame of followRun(client, { run, after: 0, live: true }))
          if (frame.type === 'end') context.exit(frame.exit_code)
        context.exit(exitCodeOf(await bodyOf(client.v1.runs[':id'].$get({ param: { id: run } }))))
      }),
  )
}
