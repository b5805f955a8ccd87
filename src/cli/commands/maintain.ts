/** gc, and the hidden worker that executes a detached run. */
import type { Command } from 'commander'
import { Duration, OpenExecError, RunId } from '../../schema/index.ts'
import { sizeOf } from '../size-of.ts'
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
    .option('--keep-days <days>', 'the same in days, for more than 24 of them')
    .option('--keep <count>', 'newest ended runs to keep whatever their age', '20')
    .option('--keep-runs <count>', 'ended runs to keep at most, whatever their age')
    .option('--keep-bytes <size>', 'what ended runs may take together, such as 20GB')
    .option('--json', 'print one JSON object')
    .addHelpText('after', GC_HELP)
    .action((options: GcOptions) => {
      const json = retentionOf(options)
      return using(context, { ...READ, from: options }, async ({ client }) => {
        const report = await bodyOf(client.v1.gc.$post({ json }))
        if (options.json === true) return printJson(context.io, report)
        const { interrupted, containers, volumes, workspaces, runs, documents, freed, engine } =
          report
        const removed = [
          plural(runs.length, 'run'),
          plural(documents.length, 'document'),
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
  openexec gc --keep-days 90 --keep-runs 5000 --keep-bytes 50GB

--keep-runs and --keep-bytes remove the oldest that are too many or too much; each tenant of a
server is counted alone. What has not ended is never removed, nor counted.

What a living process uses is never touched. Without an engine, what needs none is done all the
same: runs, artifacts and workspaces; containers and volumes go another time.`

interface GcOptions extends StateOptions {
  olderThan: string
  keep: string
  keepDays?: string
  keepRuns?: string
  keepBytes?: string
  json?: boolean
}

const DAY_MS = 86_400_000

function retentionOf({ olderThan, keep, keepDays, keepRuns, keepBytes }: GcOptions) {
  const count = (name: string, text: string) => wholeNumber(name, text, { min: 0, max: 1_000_000 })
  const days = keepDays === undefined ? undefined : count('--keep-days', keepDays)
  return {
    olderThanMs: days === undefined ? ageOf(olderThan) : days * DAY_MS,
    keep: count('--keep', keep),
    ...(keepRuns !== undefined && { maxRuns: count('--keep-runs', keepRuns) }),
    ...(keepBytes !== undefined && { maxBytes: sizeOf('--keep-bytes', keepBytes) }),
  }
}

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
