/** schedule: runs that a server begins by the clock. */
import { type Command, Option } from 'commander'
import { resolve } from 'node:path'
import {
  type CreateRun,
  Duration,
  OpenExecError,
  RunRequest,
  SandboxMode,
  type Schedule,
  type ScheduleTick,
} from '../../schema/index.ts'
import { bodyOf } from '../client.ts'
import {
  type CommandContext,
  type JsonOptions,
  READ,
  using,
  withStateOptions,
} from '../command-context.ts'
import { overWire } from '../over-wire.ts'
import { oneLine, printJson, printTable } from '../print.ts'

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
  registerAdd(schedule, context)
  registerList(schedule, context)
  registerShow(schedule, context)
  registerChange(schedule, context, 'pause')
  registerChange(schedule, context, 'resume')
  registerChange(schedule, context, 'rm')
  registerRun(schedule, context)
}

interface AddOptions extends JsonOptions {
  cron: string
  zone: string
  missed: 'skip' | 'run_once'
  overlap: 'skip' | 'queue'
  blueprint?: string
  ref?: string
  task?: string
  image?: string
  policy?: string
  sandbox?: SandboxMode
  timeout?: string
}

function registerAdd(schedule: Command, context: CommandContext): void {
  withStateOptions(
    schedule
      .command('add')
      .argument('<name>', 'how it is called', scheduleName)
      .usage('<name> --cron <expression> [options] [-- argv...]')
      .description('Add a schedule: when, and what is run then.'),
  )
    .requiredOption('--cron <expression>', 'minute, hour, day, month, weekday: "30 2 * * 1-5"')
    .option('--zone <name>', 'time zone as IANA names it, such as Europe/Berlin', 'UTC')
    .addOption(
      new Option('--missed <policy>', 'ticks that came while no server was there')
        .choices(['skip', 'run_once'])
        .default('skip'),
    )
    .addOption(
      new Option('--overlap <policy>', 'a tick while the run of the one before goes on')
        .choices(['skip', 'queue'])
        .default('skip'),
    )
    .option('--blueprint <name>', 'shipped blueprint, or a path to a YAML file')
    .option('--ref <ref>', 'commit, branch or tag, looked up at each tick (default: HEAD)')
    .option('--task <text>', 'what is to be done')
    .option('--image <name>', 'base, node, python, or any image of the engine')
    .option('--policy <file>', 'policy file')
    .addOption(
      new Option('--sandbox <mode>', 'what a run may change').choices([...SandboxMode.options]),
    )
    .option('--timeout <duration>', 'wall-clock limit of each run')
    .option('--json', 'print one JSON object')
    .action((name: string, options: AddOptions) =>
      using(context, { ...READ, from: options }, async ({ client, repo }) => {
        const { cron, zone, missed, overlap } = options
        const run = await runOf(context, options, repo)
        const json = { name, cron, zone, missed, overlap, run }
        const made = await bodyOf(client.v1.schedules.$post({ json }))
        if (options.json === true) return printJson(context.io, made)
        context.io.out(made.id)
        context.io.err(`First at ${momentOf(made.nextAt)}`)
      }),
    )
}

/** What travels is documents, not paths of this machine; the repository is one of the server. */
async function runOf(
  { io, command }: CommandContext,
  options: AddOptions,
  repo: string | undefined,
): Promise<CreateRun> {
  const { blueprint, policy } = options
  if (blueprint === undefined && (command === undefined || command.length === 0))
    throw new OpenExecError(
      'bad_request',
      'Cannot schedule nothing: expected --blueprint or -- and a command',
    )
  const isFile = blueprint !== undefined && /[/\\]|\.ya?ml$/.test(blueprint)
  const request = RunRequest.parse({
    blueprint:
      blueprint === undefined ? 'command' : isFile ? resolve(io.cwd, blueprint) : blueprint,
    task: options.task ?? '',
    repo: repo ?? resolve(io.cwd, options.repo ?? '.'),
    ref: options.ref,
    includeDirty: false,
    command,
    inputs: {},
    image: options.image,
    policyFile: policy === undefined ? undefined : resolve(io.cwd, policy),
    sandbox: options.sandbox,
    timeoutMs: options.timeout === undefined ? undefined : timeoutOf(options.timeout),
    acceptDegraded: false,
    interactive: false,
  })
  return await overWire(io, request)
}

function timeoutOf(text: string): number {
  const parsed = Duration.safeParse(text)
  if (parsed.success) return parsed.data
  throw new OpenExecError('bad_request', `Cannot use --timeout "${text}": expected a duration`)
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

function momentOf(at: number | undefined): string {
  return at === undefined ? 'never' : new Date(at).toISOString().replace('.000Z', 'Z')
}

/** Refused here already, because a name becomes a part of an address. */
function scheduleName(text: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(text)) return text
  throw new OpenExecError(
    'bad_request',
    `Cannot use "${text}" as the name of a schedule: expected letters, digits, ".", "_" and "-"`,
  )
}
