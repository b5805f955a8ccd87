import { type Command, Option } from 'commander'
import { resolve } from 'node:path'
import { Duration, OpenExecError, type Run, RunRequest, type RunResult, SandboxMode } from '../../schema/index.ts'
import { bodyOf, type Client } from '../client.ts'
import { type CommandContext, type StateOptions, using, withStateOptions } from '../command-context.ts'
import { followRun } from '../follow.ts'
import { printJson } from '../print.ts'
import { createProgress } from '../progress.ts'
import { summaryLines } from '../summary.ts'

interface RunOptions extends StateOptions {
  ref?: string
  task?: string
  image?: string
  policy?: string
  sandbox?: SandboxMode
  input: string[]
  timeout?: string
  includeDirty?: boolean
  modelScript?: string
  acceptDegraded?: boolean
  detach?: boolean
  json?: boolean
  quiet?: boolean
  raw?: boolean
}

const HELP = `
Examples:
  openexec run --image node -- npm test            one command, isolated, on the current repository
  openexec run check                               lint and test with the repository's own commands
  openexec run backend_bugfix --task "Fix the off-by-one in pages" --model-script turns.yaml
  openexec run check --ref v1.2.0 --json           another commit; one JSON object at the end

The command after -- is argv, never a shell line: write -- sh -c "a | b" where you want a shell.
The run works on a commit, in a git worktree of its own: uncommitted changes are left out unless
--include-dirty is given, and your checkout is not touched until \`openexec apply\`.

Exit codes: 0 succeeded, 1 failed, 2 bad input, 3 no model configured, 4 approval needed,
5 blocked by policy, 6 budget exceeded, 124 timed out, 125 engine or infrastructure, 130 cancelled.`

export function registerRun(program: Command, context: CommandContext): void {
  withStateOptions(
    program
      .command('run')
      .summary('run a command or a blueprint in a sandbox')
      .description('Run one command, or a blueprint, each in a container of its own.')
      .usage('[blueprint] [options] [-- argv...]')
      .argument('[blueprint]', 'name of a shipped blueprint, or a path to a YAML file'),
  )
    .option('--ref <ref>', 'commit, branch or tag to start from (default: HEAD)')
    .option('--task <text>', 'what is to be done; agent stages and context packs read it')
    .option('--image <name>', 'base, node, python, or any image of your engine')
    .option('--policy <file>', 'policy file (default: openexec.policy.yaml beside the repository root)')
    .addOption(
      new Option('--sandbox <mode>', 'what the run may change').choices([...SandboxMode.options]),
    )
    .option('--input <k=v>', 'an input of the blueprint; may be repeated', collect, [])
    .option('--timeout <duration>', 'wall-clock limit of the run, such as 10m')
    .option('--include-dirty', 'start from uncommitted changes too')
    .option('--model-script <file>', 'turns of the scripted model (YAML) for agent stages')
    .option('--accept-degraded', 'run although the engine enforces less than asked; is recorded')
    .option('--detach', 'return at once; follow with `openexec logs -f RUN`')
    .option('--json', 'print one JSON object at the end')
    .option('-q, --quiet', 'no progress lines')
    .option('--raw', 'pass terminal control sequences of the sandbox through')
    .addHelpText('after', HELP)
    .action((blueprint: string | undefined, options: RunOptions) => run(context, blueprint, options))
}

async function run(
  context: CommandContext,
  blueprint: string | undefined,
  options: RunOptions,
): Promise<void> {
  const launch = options.detach === true ? 'worker' : 'here'
  await using(context, { from: options, state_needed: 'create', launch }, async (connection) => {
    const request = requestOf(context, { blueprint, options, repo: connection.repo })
    const created = await bodyOf(connection.client.v1.runs.$post({ json: request }))
    if (options.detach === true) announceDetached(context, created, options)
    else await follow(context, { client: connection.client, created, options })
  })
}

function requestOf(
  { io, command, config }: CommandContext,
  given: { blueprint: string | undefined; options: RunOptions; repo: string | undefined },
): RunRequest {
  const { blueprint, options, repo } = given
  if (blueprint === undefined && command === undefined && (options.task ?? '') === '')
    throw new OpenExecError('bad_request', 'Cannot run nothing: expected a blueprint or -- and a command', {
      hint: 'For example `openexec run check`, or `openexec run --image node -- npm test`',
    })
  if (command !== undefined && (command.length === 0 || command[0] === ''))
    throw new OpenExecError('bad_request', 'Cannot run an empty command: expected argv after --')
  const modelScript = options.modelScript ?? config.modelScript
  return RunRequest.parse({
    blueprint: blueprint === undefined ? (command && 'command') : blueprintName(io.cwd, blueprint),
    task: options.task ?? '',
    repo: repo ?? resolve(io.cwd, options.repo ?? '.'),
    ref: options.ref,
    includeDirty: options.includeDirty ?? false,
    command,
    inputs: inputsOf(options.input),
    image: options.image,
    policyFile: options.policy === undefined ? undefined : resolve(io.cwd, options.policy),
    sandbox: options.sandbox,
    timeoutMs: timeoutOf(options.timeout),
    modelScript: modelScript === undefined ? undefined : resolve(io.cwd, modelScript),
    acceptDegraded: options.acceptDegraded ?? false,
    interactive: false,
  })
}

/** Names stay names; what looks like a path is one, seen from here. */
function blueprintName(cwd: string, text: string): string {
  return /[/\\]|\.ya?ml$/.test(text) ? resolve(cwd, text) : text
}

function inputsOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=')
      if (at < 1)
        throw new OpenExecError('bad_request', `Cannot use --input "${pair}": expected name=value`)
      return [pair.slice(0, at), pair.slice(at + 1)]
    }),
  )
}

function timeoutOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const parsed = Duration.safeParse(text)
  if (parsed.success) return parsed.data
  throw new OpenExecError(
    'bad_request',
    `Cannot use --timeout "${text}": expected a duration such as 90s, 10m or 2h`,
  )
}

function collect(value: string, previous: string[]): string[] {
  return [...previous, value]
}

function announceDetached({ io }: CommandContext, run: Run, options: RunOptions): void {
  if (options.json === true) printJson(io, { run: run.id, status: run.status })
  else io.out(run.id)
  if (options.quiet !== true) io.err(`Follow it with: openexec logs -f ${run.id}`)
}

async function follow(
  context: CommandContext,
  given: { client: Client; created: Run; options: RunOptions },
): Promise<void> {
  const { io } = context
  const { client, created, options } = given
  const cancel = () => {
    io.err(`Cancelling ${created.id} …`)
    void client.v1.runs[':id'].cancel.$post({ param: { id: created.id } })
  }
  if (io.signal.aborted) cancel()
  io.signal.addEventListener('abort', cancel, { once: true })
  const isCommand = created.blueprint === 'command'
  const progress = createProgress(io, {
    passThrough: isCommand && options.json !== true,
    quiet: options.quiet ?? false,
    raw: options.raw ?? false,
  })
  for await (const frame of followRun(client, { run: created.id, after: 0, live: true }))
    await progress.show(frame)
  await progress.end()
  io.signal.removeEventListener('abort', cancel)
  const result = await bodyOf(client.v1.runs[':id'].result.$get({ param: { id: created.id } }))
  report(context, result, { json: options.json ?? false, quiet: options.quiet ?? false, isCommand })
}

function report(
  { io, exit }: CommandContext,
  result: RunResult,
  how: { json: boolean; quiet: boolean; isCommand: boolean },
): void {
  exit(result.exit_code)
  if (how.json) return printJson(io, result)
  const lines = summaryLines(io, result)
  if (how.isCommand) {
    if (!how.quiet || result.status !== 'succeeded') for (const line of lines) io.err(line)
  } else for (const line of lines) io.out(line)
}
