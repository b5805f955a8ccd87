import { type Command, Option } from 'commander'
import { resolve } from 'node:path'
import {
  CassetteMode,
  Duration,
  OpenExecError,
  type Run,
  RunRequest,
  SandboxMode,
} from '../../schema/index.ts'
import { attach, type AttachOptions } from '../attach.ts'
import { bodyOf } from '../client.ts'
import {
  type CommandContext,
  type StateOptions,
  using,
  withStateOptions,
} from '../command-context.ts'
import { blueprintName } from '../option-values.ts'
import { requestFor } from '../repository-for.ts'
import { printJson } from '../print.ts'

interface RunOptions extends StateOptions, AttachOptions {
  ref?: string
  task?: string
  image?: string
  policy?: string
  sandbox?: SandboxMode
  input?: string[]
  timeout?: string
  includeDirty?: boolean
  modelScript?: string
  model?: string
  localModelOnly?: boolean
  cassette?: string
  cassetteMode?: CassetteMode
  acceptDegraded?: boolean
  detach?: boolean
  repoOnServer?: string
}

const HELP = `
Examples:
  openexec run --image node -- npm test            one command, isolated, on the current repository
  openexec run check                               lint and test with the repository's own commands
  openexec run backend_bugfix --task "Fix the off-by-one in pages" --model-script turns.yaml
  openexec run backend_bugfix --task "…" --model anthropic/claude-sonnet-4-5
  openexec run backend_bugfix --task "…" --cassette fix.cassette --cassette-mode record
  openexec run ./my.yaml --input patch=@fix.patch  a blueprint of your own, a file as its input
  openexec run check --ref v1.2.0 --json           another commit; one JSON object at the end
  openexec run check --repo https://git.example.com/team/app    a repository without a checkout
  openexec logs -f $(openexec run --detach check)  in the background, and watched from outside

The command after -- is argv, never a shell line: write -- sh -c "a | b" where you want a shell.
Its output is yours: stdout and stderr of a command pass through as they are.
The run works on a commit, in a git worktree of its own: uncommitted changes are left out unless
--include-dirty is given, and your checkout is not touched until \`openexec apply\`.
With --server, what the server lacks of the commit is sent to it first; \`openexec apply\` brings the
result into the checkout here. --repo-on-server names a checkout of the server's machine instead.
Ctrl-C cancels the run and removes its container and worktree.

Agent stages use the model of --model, else of OPENEXEC_MODEL, else of \`model:\` in
~/.config/openexec/config.yaml, else the one ANTHROPIC_API_KEY or OPENAI_API_KEY is for, else one
that Ollama, llama.cpp or vLLM serves on this machine. What was chosen, and what it may cost, is
printed. \`openexec doctor --live\` tries it.

Exit codes: 0 succeeded, 1 failed, 2 bad input, 3 no model configured, 4 approval needed,
5 blocked by policy, 6 budget exceeded, 124 timed out, 125 engine or infrastructure, 130 cancelled.`

export function registerRun(program: Command, context: CommandContext): void {
  const command = program
    .command('run')
    .summary('Run a command or a blueprint in a sandbox.')
    .description('Run one command, or a blueprint, each in a container of its own.')
    .usage('[blueprint] [options] [-- argv...]')
    .argument('[blueprint]', 'name of a shipped blueprint, or a path to a YAML file')
    .option('--ref <ref>', 'commit, branch or tag to start from (default: HEAD)')
    .option('--task <text>', 'what is to be done; agent stages and context packs read it')
    .option('--image <name>', 'base, node, python, or any image of your engine')
    .option('--policy <file>', 'policy file (default: openexec.policy.yaml of the repository)')
    .addOption(
      new Option('--sandbox <mode>', 'what the run may change').choices([...SandboxMode.options]),
    )
    .option('--input <k=v>', 'an input of the blueprint, or k=@FILE; may be repeated', collect)
    .option('--timeout <duration>', 'wall-clock limit of the run, such as 90s, 10m or 2h')
    .option('--repo-on-server <path>', 'a repository on the machine of the server; nothing is sent')
    .option('--include-dirty', 'start from uncommitted changes too')
    .option('--model <provider/model>', 'model of agent stages (default: see below)')
    .option('--local-model-only', 'use no model but one on this machine')
    .option('--cassette <file>', 'recorded exchanges with the model')
    .addOption(
      new Option('--cassette-mode <mode>', 'what to do with the cassette')
        .choices([...CassetteMode.options])
        .default('replay'),
    )
    .option('--model-script <file>', 'turns of the scripted model (YAML) for agent stages')
    .option('--accept-degraded', 'run although the engine enforces less than asked; is recorded')
    .option('--detach', 'print the id of the run and return; it goes on in the background')
    .option('--json', 'print one JSON object at the end')
    .option('-q, --quiet', 'no progress lines; a summary only when the run does not succeed')
    .option('--raw', 'pass terminal control sequences of the sandbox through')
  withStateOptions(command)
    .addHelpText('after', HELP)
    .action((blueprint: string | undefined, options: RunOptions) =>
      run(context, blueprint, options),
    )
}

async function run(
  context: CommandContext,
  blueprint: string | undefined,
  options: RunOptions,
): Promise<void> {
  refuseNothing(context, { blueprint, task: options.task })
  const inputs = await inputsOf(context, options.input ?? [])
  const timeoutMs = timeoutOf(options.timeout)
  const launch = options.detach === true ? 'worker' : 'here'
  const connection = { from: options, state_needed: 'create', launch } as const
  await using(context, connection, async (joined) => {
    const { client, repo } = joined
    const request = requestOf(context, { blueprint, options, repo, inputs, timeoutMs })
    const json = await requestFor(context, joined, { request, wanted: options })
    const created = await bodyOf(client.v1.runs.$post({ json }))
    if (options.detach === true) return announceDetached(context, created, options)
    await attach(context, { client, run: created, after: 0, seen: new Set() }, options)
  })
}

/** A task alone is enough: the router chooses the blueprint, or says that it cannot. */
function refuseNothing(
  { command }: CommandContext,
  { blueprint, task = '' }: { blueprint: string | undefined; task: string | undefined },
): void {
  if (blueprint === undefined && command === undefined && task === '')
    throw new OpenExecError(
      'bad_request',
      'Cannot run nothing: expected a blueprint or -- and a command',
      {
        hint: 'For example `openexec run check`, or `openexec run --image node -- npm test`',
      },
    )
  if (command !== undefined && (command.length === 0 || command[0] === ''))
    throw new OpenExecError('bad_request', 'Cannot run an empty command: expected argv after --', {
      hint: 'For example `openexec run -- npm test`',
    })
}

interface Given {
  blueprint: string | undefined
  options: RunOptions
  repo: string | undefined
  inputs: Record<string, string>
  timeoutMs: number | undefined
}

function requestOf({ io, command, config }: CommandContext, given: Given): RunRequest {
  const { blueprint, options, repo, inputs, timeoutMs } = given
  // What is said on the command line wins over the environment.
  const fallback = options.model === undefined ? config.modelScript : undefined
  const modelScript = options.modelScript ?? fallback
  return RunRequest.parse({
    blueprint: blueprint === undefined ? command && 'command' : blueprintName(io.cwd, blueprint),
    task: options.task ?? '',
    repo: repo ?? resolve(io.cwd, options.repo ?? '.'),
    ref: options.ref,
    includeDirty: options.includeDirty ?? false,
    command,
    inputs,
    image: options.image,
    policyFile: options.policy === undefined ? undefined : resolve(io.cwd, options.policy),
    sandbox: options.sandbox,
    timeoutMs,
    modelScript: modelScript === undefined ? undefined : resolve(io.cwd, modelScript),
    model: options.model,
    localModelOnly: options.localModelOnly,
    cassette: cassetteOf(io.cwd, options),
    acceptDegraded: options.acceptDegraded ?? false,
    interactive: false,
  })
}

function cassetteOf(cwd: string, options: RunOptions): RunRequest['cassette'] {
  const { cassette, cassetteMode = 'replay', modelScript, model } = options
  if (modelScript !== undefined && (cassette ?? model) !== undefined)
    throw new OpenExecError(
      'bad_request',
      'Cannot use --model-script together with --model or --cassette',
      { hint: 'A script is a model of its own' },
    )
  return cassette === undefined ? undefined : { file: resolve(cwd, cassette), mode: cassetteMode }
}

/** Bytes of one `--input name=@FILE`. */
const INPUT_BYTES_MAX = 16 * 1024 * 1024

async function inputsOf(
  { io }: CommandContext,
  pairs: readonly string[],
): Promise<Record<string, string>> {
  const inputs = new Map<string, string>()
  for (const pair of pairs) {
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(pair) ?? []
    if (name === undefined || value === undefined)
      throw new OpenExecError('bad_request', `Cannot use --input "${pair}": expected name=value`, {
        hint: 'The value of name=@FILE is what the file holds',
      })
    if (inputs.has(name))
      throw new OpenExecError('bad_request', `Cannot use --input "${name}" twice`)
    if (!value.startsWith('@')) inputs.set(name, value)
    else {
      const file = value.slice(1)
      const content = await io.readFile(resolve(io.cwd, file), INPUT_BYTES_MAX)
      inputs.set(name, textOf(content, `input "${name}" from "${file}"`))
    }
  }
  return Object.fromEntries(inputs)
}

/** Throws `bad_request` where a decoder would put something else in its place. */
function textOf(content: Uint8Array, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content)
  } catch (cause) {
    throw new OpenExecError('bad_request', `Cannot read ${what}: it is not UTF-8 text`, { cause })
  }
}

function timeoutOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const parsed = Duration.safeParse(text)
  if (parsed.success) return parsed.data
  throw new OpenExecError(
    'bad_request',
    `Cannot use --timeout "${text}": expected a duration such as 90s, 10m or 2h, at most 596h`,
  )
}

function collect(value: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), value]
}

function announceDetached({ io }: CommandContext, run: Run, options: RunOptions): void {
  if (options.json === true) printJson(io, { run: run.id, status: run.status })
  else io.out(run.id)
  if (options.quiet !== true) io.err(`Follow it with: openexec logs -f ${run.id}`)
}
