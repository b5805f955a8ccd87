/** do, chat: requests in words, that become a run where they ask for work. */
import { type Command, Option } from 'commander'
import { resolve } from 'node:path'
import {
  type AskRequest,
  Duration,
  OpenExecError,
  SandboxMode,
  type SessionId,
} from '../../schema/index.ts'
import { attach, type AttachOptions } from '../attach.ts'
import { bodyOf, type Client } from '../client.ts'
import {
  type CommandContext,
  type StateOptions,
  using,
  withStateOptions,
} from '../command-context.ts'
import { oneLine, printJson } from '../print.ts'
import { flagsOf, planLine, type RouteOptions, withRouteOptions } from './route.ts'

interface DoOptions extends StateOptions, AttachOptions, RouteOptions {
  ref?: string
  includeDirty?: boolean
  image?: string
  policy?: string
  sandbox?: SandboxMode
  timeout?: string
  model?: string
  modelScript?: string
}

const DO_HELP = `
Examples:
  openexec do "Run the tests"
  openexec do "Fix the off by one in src/pages.ts"
  openexec do "Rename getUser to findUser" --mode task     only note the task, run nothing

The router chooses the blueprint (see \`openexec route\`), policy decides what it may do. What asks for
no work is not run: exit code 2. A request that holds a secret goes only to a model on this machine.`

const CHAT_HELP = `
Reads requests from stdin, one a line, until its end. Each becomes a task of one session; one that asks
for work becomes a run, one that only wants an answer shows which files seem to matter.

Example:
  printf 'Where is the cache filled?\\nRun the tests\\n' | openexec chat`

export function registerDo(program: Command, context: CommandContext): void {
  const once = program
    .command('do')
    .argument('<text>', 'what is to be done, in words')
    .description('Do what a request in words asks for, in a sandbox.')
    .option('--json', 'print one JSON object at the end')
  withDoOptions(once)
    .addHelpText('after', DO_HELP)
    .action((text: string, options: DoOptions) =>
      using(context, { ...CREATE, from: options }, async ({ client, repo }) => {
        const asked = await say(context, { client, repo, options, mode: 'task' }, { text })
        if (asked.ran || options.mode === 'task') return
        throw new OpenExecError('bad_request', 'Cannot tell what is to be done: nothing was run', {
          hint: 'Say it as a task ("Fix …", "Add …", "Run the tests"), or name a blueprint with --blueprint',
          details: { plan: asked.plan, task: asked.task, session: asked.session },
        })
      }),
    )
  const chat = program
    .command('chat')
    .description('Take requests in words from stdin, one a line, in one session.')
  withDoOptions(chat)
    .addHelpText('after', CHAT_HELP)
    .action((options: DoOptions) => talk(context, options))
}

const CREATE = { state_needed: 'create', launch: 'here' } as const

function withDoOptions(command: Command): Command {
  withRouteOptions(command)
    .option('--ref <ref>', 'commit, branch or tag to start from (default: HEAD)')
    .option('--include-dirty', 'start from uncommitted changes too')
    .option('--image <name>', 'base, node, python, or any image of your engine')
    .option('--policy <file>', 'policy file (default: openexec.policy.yaml of the repository)')
    .addOption(
      new Option('--sandbox <mode>', 'what the run may change').choices([...SandboxMode.options]),
    )
    .option('--timeout <duration>', 'wall-clock limit of the run, such as 90s, 10m or 2h')
    .option('--model <provider/model>', 'model of agent stages')
    .option('--model-script <file>', 'turns of the scripted model (YAML) for agent stages')
    .option('-q, --quiet', 'no progress lines; a summary only when the run does not succeed')
  return withStateOptions(command)
}

interface Talk {
  client: Client
  repo: string | undefined
  options: DoOptions
  mode: AskRequest['mode']
}

interface Said {
  text: string
  session?: SessionId
}

async function say(context: CommandContext, talk: Talk, { text, session }: Said) {
  const { io } = context
  const { client, options, mode } = talk
  const request: AskRequest = {
    mode,
    route: { text, ...flagsOf(options) },
    run: runOf(context, talk),
    ...(session !== undefined && { session }),
  }
  const asked = await bodyOf(client.v1.ask.$post({ json: request }))
  io.err(planLine(asked.plan))
  if (asked.run !== undefined)
    await attach(context, { client, run: asked.run, after: 0, seen: new Set() }, options)
  else if (options.mode === 'task' && options.json === true) printJson(io, asked)
  else if (options.mode === 'task') io.out(asked.task)
  return { ...asked, ran: asked.run !== undefined }
}

function runOf({ io, config }: CommandContext, { repo, options }: Talk): AskRequest['run'] {
  const path = (file: string) => resolve(io.cwd, file)
  const { modelScript = options.model === undefined ? config.modelScript : undefined } = options
  const timeout = timeoutOf(options.timeout)
  return {
    repo: repo ?? io.cwd,
    includeDirty: options.includeDirty ?? false,
    inputs: {},
    acceptDegraded: false,
    interactive: false,
    ...(options.ref !== undefined && { ref: options.ref }),
    ...(options.image !== undefined && { image: options.image }),
    ...(options.policy !== undefined && { policyFile: path(options.policy) }),
    ...(options.sandbox !== undefined && { sandbox: options.sandbox }),
    ...(timeout !== undefined && { timeoutMs: timeout }),
    ...(options.model !== undefined && { model: options.model }),
    ...(modelScript !== undefined && { modelScript: path(modelScript) }),
  }
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

/** One session; a request that fails is told and does not end it. */
async function talk(context: CommandContext, options: DoOptions): Promise<void> {
  const { io } = context
  await using(context, { ...CREATE, from: options }, async ({ client, repo }) => {
    const about: Talk = { client, repo, options, mode: 'chat' }
    let session: SessionId | undefined
    for await (const line of io.lines()) {
      const text = line.trim()
      if (text === '') continue
      try {
        const said = { text, ...(session !== undefined && { session }) }
        const asked = await say(context, about, said)
        session = asked.session
        if (!asked.ran) await showFiles(context, about, text)
      } catch (error) {
        if (!(error instanceof OpenExecError) || io.signal.aborted) throw error
        io.err(
          `${oneLine(error.message, 500)}${error.hint === undefined ? '' : `\n  ${oneLine(error.hint, 500)}`}`,
        )
      }
      if (io.signal.aborted) return
    }
  })
}

const FILES_SHOWN = 8

/** No model answers here; where to look is found without one. */
async function showFiles(context: CommandContext, about: Talk, task: string): Promise<void> {
  const { io } = context
  const { repo, includeDirty, ref, policyFile } = runOf(context, about)
  const { pack } = await bodyOf(
    about.client.v1.context.$post({
      json: { task, repo, includeDirty, budgetTokens: 12_000, logs: [], ref, policyFile },
    }),
  )
  const found = pack.items.filter(({ kind }) => kind !== 'instructions')
  const files = new Map(found.map(({ path, start, reasons }) => [path, { start, reasons }]))
  for (const [path, { start, reasons }] of [...files].slice(0, FILES_SHOWN))
    io.out(`${oneLine(path, 120)}:${start}  ${oneLine(reasons.join('; '), 100)}`)
  if (files.size === 0) io.err('Nothing in the repository seems to fit')
}
