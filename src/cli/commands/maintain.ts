/** gc, and the hidden worker that executes a detached run. */
import type { Command } from 'commander'
import { Duration, OpenExecError, RunId } from '../../schema/index.ts'
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
import { bytes, plural, printJson } from '../print.ts'

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
    .option('--older-than <duration>', 'age of the ended runs to remove', '336h')
    .option('--keep <count>', 'newest runs to keep whatever their age', '20')
    .option('--json', 'print one JSON object')
    .addHelpText('after', GC_HELP)
    .action((options: StateOptions & { olderThan: string; keep: string; json?: boolean }) => {
      const olderThanMs = ageOf(options.olderThan)
      const keep = wholeNumber('--keep', options.keep, { min: 0, max: 1_000_000 })
      return using(context, { ...READ, from: options }, async ({ client }) => {
        const report = await bodyOf(client.v1.gc.$post({ json: { olderThanMs, keep } }))
        if (options.json === true) return printJson(context.io, report)
        const { interrupted, containers, volumes, workspaces, runs, freed, engine } = report
        const removed = [
          plural(runs.length, 'run'),
          plural(containers.length, 'container'),
          plural(volumes.length, 'volume'),
          plural(workspaces.length, 'workspace'),
        ]
        context.io.out(`Removed ${removed.join(', ')}; freed ${bytes(freed)}`)
        if (engine !== undefined)
          context.io.err(`Containers and volumes were not looked for. ${engine}`)
        for (const id of interrupted)
          context.io.out(`Interrupted: ${id}; go on with: openexec resume ${id}`)
      })
    })
}

const GC_HELP = `
Examples:
  openexec gc                              what crashes left, and ended runs older than two weeks
  openexec gc --older-than 1h --keep 0     every run that ended more than an hour ago

What a living process uses is never touched. Without an engine, what needs none is done all the
same: runs, artifacts and workspaces; containers and volumes go another time.`

function ageOf(text: string): number {
  const parsed = Duration.safeParse(text)
  if (parsed.success) return parsed.data
  throw new OpenExecError(
    'bad_request',
    `Cannot use --older-than "${text}": expected a duration such as 90m or 24h, at most 596h`,
  )
}

function registerWorker(program: Command, context: CommandContext): void {
  withStateOptions(program.command('worker', { hidden: true }).argument('<run>')).action(
    (id: string, options: StateOptions) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const run = RunId.parse(id)
        const { after } = await bodyOf(client.v1.runs[':id'].resume.$post({ param: { id: run } }))
        const { signal } = new AbortController()
        const frames = followRun(client, { run, after, live: true, output: false, signal })
        for await (const frame of frames) if (frame.type === 'end') break
        const result = await bodyOf(client.v1.runs[':id'].result.$get({ param: { id: run } }))
        context.exit(result.exit_code)
      }),
  )
}
