/** compare: where two runs part. */
import type { Command } from 'commander'
import { allEvents } from '../all-events.ts'
import { bodyOf } from '../client.ts'
import {
  type CommandContext,
  type JsonOptions,
  READ,
  using,
  withRun,
  withStateOptions,
} from '../command-context.ts'
import { compareEvents, type Comparison } from '../compare-events.ts'
import { oneLine, printJson } from '../print.ts'

const VALUE_CHARS = 300

const HELP = `
The timelines are put side by side by stage, attempt and kind of event. Times, ids and durations do
not count. The exit code is 0 when both did the same, 1 when they did not.

Example:
  openexec compare 4x9k 7m2p`

export function registerCompare(program: Command, context: CommandContext): void {
  const command = program
    .command('compare')
    .description('Show where two runs part: verdicts of their stages, and the first difference.')
  withStateOptions(withRun(command).argument('<other>', 'another run'))
    .option('--json', 'print one JSON object')
    .addHelpText('after', HELP)
    .action((run: string, other: string, options: JsonOptions) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const ids = [run, other].map(async (id) => {
          const known = await bodyOf(client.v1.runs[':id'].$get({ param: { id } }))
          return { id: known.id, events: await allEvents(client, known.id) }
        })
        const [one, two] = await Promise.all(ids)
        if (one === undefined || two === undefined) return
        const compared = compareEvents(one.events, two.events)
        if (options.json === true) printJson(context.io, { runs: [one.id, two.id], ...compared })
        else for (const line of linesOf(compared)) context.io.out(line)
        context.exit(compared.same ? 0 : 1)
      }),
    )
}

function linesOf({ same, stages, first, differing }: Comparison): string[] {
  const verdicts = stages.map(({ attempt, verdicts: [a, b] }) => {
    const [one, two] = [a ?? '-', b ?? '-']
    return `  ${attempt.padEnd(28)} ${one.padEnd(18)} ${two === one ? '' : two}`.trimEnd()
  })
  if (same) return [...verdicts, 'Both runs did the same']
  if (first === null) return verdicts
  const { type, stage, attempt, seqs, members } = first
  const where = stage === null ? '' : ` of ${stage}.${attempt ?? 1}`
  const place = seqs.map((seq) => (seq === null ? 'none' : `event ${seq}`)).join(' and ')
  return [
    ...verdicts,
    `They part at ${type}${where} (${place}); ${differing} ${differing === 1 ? 'event differs' : 'events differ'}`,
    ...members.flatMap(({ name, values }) =>
      values.map((value, index) => `  ${index === 0 ? '-' : '+'} ${name}: ${shown(value)}`),
    ),
  ]
}

function shown(value: unknown): string {
  return oneLine(JSON.stringify(value), VALUE_CHARS)
}
