/** schedule: runs that a server begins by the clock. */
import type { Command } from 'commander'
import type { CreateRun, Schedule, ScheduleTick } from '../../schema/index.ts'
import { bodyOf } from '../client.ts'
import {
  type CommandContext,
  type JsonOptions,
  READ,
  using,
  withStateOptions,
} from '../command-context.ts'
import { oneLine, printJson, printTable } from '../print.ts'
import { momentOf, scheduleName } from '../schedule-words.ts'
import { registerScheduleAdd } from './schedule-add.ts'

const HELP = `
Examples:
  openexec schedule add nightly --cron "30 2 * * *" --zone Europe/Berlin --blueprint check
  openexec schedule add probe --cron "*/15 * * * 1-5" --image node -- node probe.mjs
  openexec schedule list
  openexec schedule show nightly          its ticks, and the runs they became
  openexec schedule run nightly           one run of it now
  openexec schedule pause nightly && openexec schedule resume nightly

A server starts the runs, with the rights of the token that added the schedule: when that may not
start runs any more the schedule is paused. A tick becomes one run at most, whatever crashes. With
--missed run_once the last tick that came while no server was there is made up for; with
--overlap queue one tick waits for a run that goes on. Where clocks change, a time that is left out
is made up for when they have jumped, and one that comes twice counts once.`

export function registerSchedule(program: Command, context: CommandContext): void {
  const schedule = program
    .command('schedule')
    .description('Have a server begin runs by the clock.')
    .addHelpText('after', HELP)
  registerScheduleAdd(schedule, context)
  registerList(schedule, context)
  registerShow(schedule, context)
  registerChange(schedule, context, 'pause')
  registerChange(schedule, context, 'resume')
  registerChange(schedule, context, 'rm')
  registerRun(schedule, context)
}

function registerList(schedule: Command, context: CommandContext): void {
  withStateOptions(schedule.command('list').description('List schedules, oldest first.'))
    .option('--json', 'print one JSON object: {"schedules": [...]}')
    .action((options: JsonOptions) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const body = await bodyOf(client.v1.schedules.$get())
        if (options.json === true) return printJson(context.io, body)
        const head = ['NAME', 'ID', 'CRON', 'ZONE', 'RUNS', 'NEXT']
        printTable(context.io, head, body.schedules.map(scheduleRow))
      }),
    )
}

/** What is shown of one; answers of the client are read as JSON, so policies have another type there. */
type Shown = Omit<Schedule, 'request'> & {
  request: Pick<CreateRun, 'blueprint' | 'command'>
}

function scheduleRow(schedule: Shown): string[] {
  const { name, id, cron, zone, request, nextAt, pausedReason } = schedule
  const { blueprint, command = [] } = request
  const what = typeof blueprint === 'object' ? blueprint.file : (blueprint ?? 'command')
  const runs = what === 'command' ? command.join(' ') : what
  const next =
    pausedReason === undefined ? momentOf(nextAt) : `paused: ${oneLine(pausedReason, 50)}`
  return [name, id, cron, zone, oneLine(runs, 40), next]
}

function registerShow(schedule: Command, context: CommandContext): void {
  withStateOptions(
    schedule
      .command('show')
      .argument('<schedule>', 'name or id', scheduleName)
      .description('Show what became of its last ticks.'),
  )
    .option('--json', 'print one JSON object')
    .action((id: string, options: JsonOptions) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const body = await bodyOf(client.v1.schedules[':id'].$get({ param: { id } }))
        if (options.json === true) return printJson(context.io, body)
        const { io } = context
        io.out(`${body.name}: ${body.cron} (${body.zone}), next ${scheduleRow(body)[5]}`)
        if (body.ticks.length > 0)
          printTable(io, ['TICK', 'OUTCOME', 'RUN', 'DETAIL'], body.ticks.map(tickRow))
      }),
    )
}

function tickRow({ tickAt, outcome, runId, detail = '' }: ScheduleTick): string[] {
  return [momentOf(tickAt), outcome, runId ?? '', oneLine(detail, 60)]
}

const CHANGES = {
  pause: { description: 'Start nothing more until it is resumed.', done: 'Paused' },
  resume: { description: 'Go on, with the rights of your token.', done: 'Resumed' },
  rm: { description: 'Remove a schedule; the runs it started stay.', done: 'Removed' },
}

function registerChange(
  schedule: Command,
  context: CommandContext,
  name: keyof typeof CHANGES,
): void {
  const { description, done } = CHANGES[name]
  withStateOptions(
    schedule
      .command(name)
      .argument('<schedule>', 'name or id', scheduleName)
      .description(description),
  )
    .option('--json', 'print one JSON object')
    .action((id: string, options: JsonOptions) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const one = client.v1.schedules[':id']
        const param = { id }
        const asked =
          name === 'rm'
            ? one.$delete({ param })
            : name === 'pause'
              ? one.pause.$post({ param })
              : one.resume.$post({ param })
        const changed = await bodyOf(asked)
        if (options.json === true) return printJson(context.io, changed)
        const next = name === 'resume' ? `, next ${momentOf(changed.nextAt)}` : ''
        context.io.out(`${done} ${changed.name}${next}`)
      }),
    )
}

function registerRun(schedule: Command, context: CommandContext): void {
  withStateOptions(
    schedule
      .command('run')
      .argument('<schedule>', 'name or id', scheduleName)
      .description('Start its run once now, whatever the clock says, and print the id.'),
  )
    .option('--json', 'print one JSON object')
    .action((id: string, options: JsonOptions) =>
      using(context, { ...READ, launch: 'worker', from: options }, async ({ client }) => {
        const run = await bodyOf(client.v1.schedules[':id'].run.$post({ param: { id } }))
        if (options.json === true) return printJson(context.io, run)
        context.io.out(run.id)
        context.io.err(`Follow it with \`openexec logs -f ${run.id}\``)
      }),
    )
}
