/** events, logs: what happened in a run, and what it printed. */
import type { Command } from 'commander'
import { type Event, OpenExecError, type Run } from '../../schema/index.ts'
import { attemptOf } from '../attach.ts'
import { bodyOf, type Client } from '../client.ts'
import {
  type CommandContext,
  READ,
  type StateOptions,
  using,
  wholeNumber,
  withRun,
  withStateOptions,
} from '../command-context.ts'
import { followRun } from '../follow.ts'
import { oneLine } from '../print.ts'
import { createProgress } from '../progress.ts'

interface FollowOptions extends StateOptions {
  json?: boolean
  follow?: boolean
}

export function registerTimeline(program: Command, context: CommandContext): void {
  registerEvents(program, context)
  registerLogs(program, context)
}

const EVENTS_HELP = `
Examples:
  openexec events 4x9k
  openexec events 4x9k --after 120 -f --json     from event 121 on, as it happens`

function registerEvents(program: Command, context: CommandContext): void {
  const command = program
    .command('events')
    .description('Print the timeline of a run, one event a line.')
  withStateOptions(withRun(command))
    .option('--after <seq>', 'only events after this number', '0')
    .option('-f, --follow', 'go on until the run ends or waits for a person')
    .option('--json', 'print NDJSON, whole events')
    .addHelpText('after', EVENTS_HELP)
    .action((id: string, options: FollowOptions & { after: string }) => {
      const after = wholeNumber('--after', options.after, { min: 0, max: Number.MAX_SAFE_INTEGER })
      return using(context, { ...READ, from: options }, async ({ client }) => {
        const { io } = context
        const { id: run } = await bodyOf(client.v1.runs[':id'].$get({ param: { id } }))
        const live = options.follow ?? false
        for await (const frame of followRun(client, { run, after, live, signal: io.signal }))
          if (frame.type === 'event')
            await io.write(Buffer.from(`${eventText(frame.event, options.json ?? false)}\n`))
        await endFollow(context, { client, id: run, live })
      })
    })
}

function eventText(event: Event, json: boolean): string {
  if (json) return JSON.stringify(event)
  const { seq, ts, type, stage = '', payload } = event
  const time = new Date(ts).toISOString().slice(11, 23)
  return [
    String(seq).padStart(4),
    time,
    type.padEnd(20),
    stage.padEnd(20),
    oneLine(JSON.stringify(payload), 140),
  ].join('  ')
}

const LOGS_HELP = `
Examples:
  openexec logs 4x9k
  openexec logs -f 4x9k                  until the run ends
  openexec logs 4x9k --stage run_tests
  openexec logs 4x9k 2>/dev/null         stdout of the commands alone`

function registerLogs(program: Command, context: CommandContext): void {
  const command = program
    .command('logs')
    .description('Print the output of a run: stdout to stdout, stderr to stderr.')
  withStateOptions(withRun(command))
    .option('-f, --follow', 'go on until the run ends or waits for a person')
    .option('--stage <id>', 'only this stage')
    .option('--raw', 'pass terminal control sequences through')
    .option('--json', 'print NDJSON frames with output as base64')
    .addHelpText('after', LOGS_HELP)
    .action((id: string, options: LogsOptions) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const run = await bodyOf(client.v1.runs[':id'].$get({ param: { id } }))
        if (options.stage !== undefined) await refuseUnknownStage(client, run, options.stage)
        await printLogs(context, { client, run }, options)
        await endFollow(context, { client, id: run.id, live: options.follow ?? false })
      }),
    )
}

interface LogsOptions extends FollowOptions {
  stage?: string
  raw?: boolean
}

async function printLogs(
  { io }: CommandContext,
  { client, run }: { client: Client; run: Run },
  { stage, raw = false, json = false, follow = false }: LogsOptions,
): Promise<void> {
  const progress = createProgress(io, { passThrough: true, quiet: true, raw })
  const frames = followRun(client, { run: run.id, after: 0, live: follow, signal: io.signal })
  for await (const frame of frames) {
    if (frame.type !== 'output') continue
    if (stage !== undefined && attemptOf(frame.step).split('.')[0] !== stage) continue
    if (json) await io.write(Buffer.from(`${JSON.stringify(frame)}\n`))
    else await progress.show(frame)
  }
  await progress.end()
}

/** Throws `not_found` with the stages there are: an empty answer would look like a silent stage. */
async function refuseUnknownStage(client: Client, run: Run, stage: string): Promise<void> {
  const { events } = await bodyOf(
    client.v1.runs[':id'].events.$get({ param: { id: run.id }, query: { after: '0', limit: '1' } }),
  )
  const stages = events[0]?.payload['stages']
  const known = Array.isArray(stages) ? stages.filter((each) => typeof each === 'string') : []
  if (known.includes(stage)) return
  throw new OpenExecError(
    'not_found',
    `Cannot find stage "${stage}" in run "${run.id}" (it has ${known.join(', ')})`,
  )
}

/** Says why following ended when the run did not; a reader who stopped it gets the code of Ctrl-C. */
async function endFollow(
  { io, exit }: CommandContext,
  { client, id, live }: { client: Client; id: string; live: boolean },
): Promise<void> {
  if (!live) return
  if (io.signal.aborted) return io.readerIsGone() ? undefined : exit(130)
  const { status } = await bodyOf(client.v1.runs[':id'].$get({ param: { id } }))
  if (status === 'awaiting_approval') io.err(`Run ${id} waits for an approval: openexec show ${id}`)
  if (status === 'paused' || status === 'queued')
    io.err(`Nobody executes run ${id} (${status}); go on with: openexec resume ${id}`)
}
