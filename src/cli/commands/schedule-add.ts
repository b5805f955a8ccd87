/** schedule add: when, and what is run then. */
import { type Command, Option } from 'commander'
import { resolve } from 'node:path'
import {
  type CreateRun,
  OpenExecError,
  RunRequest,
  SandboxMode,
  looksLikeUrl,
} from '../../schema/index.ts'
import { bodyOf } from '../client.ts'
import {
  type CommandContext,
  type JsonOptions,
  READ,
  using,
  withStateOptions,
} from '../command-context.ts'
import { blueprintName, durationOf } from '../option-values.ts'
import { overWire } from '../over-wire.ts'
import { printJson } from '../print.ts'
import { momentOf, scheduleName } from '../schedule-words.ts'

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

export function registerScheduleAdd(schedule: Command, context: CommandContext): void {
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
  const request = RunRequest.parse({
    blueprint: blueprint === undefined ? 'command' : blueprintName(io.cwd, blueprint),
    task: options.task ?? '',
    repo: repo ?? resolve(io.cwd, options.repo ?? '.'),
    ref: options.ref,
    includeDirty: false,
    command,
    inputs: {},
    image: options.image,
    policyFile: policy === undefined ? undefined : resolve(io.cwd, policy),
    sandbox: options.sandbox,
    timeoutMs: options.timeout === undefined ? undefined : durationOf('--timeout', options.timeout),
    acceptDegraded: false,
    interactive: false,
  })
  const at = request.ref === undefined ? {} : { ref: request.ref }
  const { repo: named } = request
  const place = looksLikeUrl(named) ? { url: named, ...at } : { path: named, ...at }
  return await overWire(io, request, place)
}
