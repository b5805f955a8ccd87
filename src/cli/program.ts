/** The commands and what all of them have in common: help, usage errors, where `--` may stand. */
import { Command, type CommanderError } from 'commander'
import { readFileSync } from 'node:fs'
import { OpenExecError } from '../schema/index.ts'
import type { CommandContext } from './command-context.ts'
import { registerAudit } from './commands/audit.ts'
import { registerCatalog } from './commands/catalog.ts'
import { registerCompare } from './commands/compare.ts'
import { registerPolicy } from './commands/policy.ts'
import { registerContext } from './commands/context.ts'
import { registerControl } from './commands/control.ts'
import { registerMaintain } from './commands/maintain.ts'
import { registerDo } from './commands/do.ts'
import { registerMcp } from './commands/mcp.ts'
import { registerRead } from './commands/read.ts'
import { registerResults } from './commands/results.ts'
import { registerRoute } from './commands/route.ts'
import { registerRun } from './commands/run.ts'
import { registerServe } from './commands/serve.ts'
import { registerService } from './commands/service.ts'
import { registerTop } from './commands/top.ts'
import { registerSchedule } from './commands/schedule.ts'
import { registerSandbox } from './commands/sandbox.ts'
import { registerTimeline } from './commands/timeline.ts'
import { registerWebhook } from './commands/webhook.ts'

const START = `
Start with:
  openexec doctor                          what this machine can enforce
  openexec run --image node -- npm test    one command, isolated, on the current repository
  openexec run check                       lint and test with the repository's own commands
  openexec blueprint list                  what else can be run

Results go to stdout, everything else to stderr; --json prints one JSON object instead.
Environment: DOCKER_HOST or DOCKER_CONTEXT name the engine, OPENEXEC_STATE a state directory,
OPENEXEC_MODEL a model and OPENEXEC_MODEL_SCRIPT a script of one, OPENEXEC_URL and OPENEXEC_TOKEN
a server and the token for it, OPENEXEC_ROUTER_URL and OPENEXEC_ROUTER_MODEL a local server that
helps \`route\`; NO_COLOR switches colours off.`

/** Throws a `CommanderError` where help or the version was shown, `OpenExecError` otherwise. */
export function createProgram(context: CommandContext): Command {
  const { io } = context
  const program = new Command('openexec')
    .description(
      'Runs what nobody has to trust, each run in a container of its own, and proves what was enforced.',
    )
    .version(versionOf(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help of a command')
    .configureOutput({
      writeErr: (text) => io.err(text.trimEnd()),
      writeOut: (text) => io.out(text.trimEnd()),
      // A usage error is told like every other error, by whoever catches it.
      outputError: () => {},
    })
    .addHelpText('after', START)
    .option('--server <url>', 'speak to this server instead of working in this process')
    .hook('preAction', (_program, action) => {
      refuseDashes(context, action)
      const given: unknown = program.opts()['server']
      if (typeof given === 'string') context.server = given
    })
  registerRun(program, context)
  registerRead(program, context)
  registerTimeline(program, context)
  registerResults(program, context)
  registerAudit(program, context)
  registerCompare(program, context)
  registerControl(program, context)
  registerContext(program, context)
  registerRoute(program, context)
  registerDo(program, context)
  registerMcp(program, context)
  registerCatalog(program, context)
  registerPolicy(program, context)
  registerSandbox(program, context)
  registerMaintain(program, context)
  registerServe(program, context)
  registerService(program, context)
  registerTop(program, context)
  registerWebhook(program, context)
  registerSchedule(program, context)
  for (const command of [program, ...everyCommand(program)]) {
    command.exitOverride((error) => {
      throw usageError(command, error)
    })
  }
  return program
}

function everyCommand(command: Command): Command[] {
  return command.commands.flatMap((child) => [child, ...everyCommand(child)])
}

/** Commands that take one of the task's own. */
const TAKES_COMMAND = new Set(['run', 'fork', 'sandbox exec', 'schedule add'])

function refuseDashes({ command }: CommandContext, action: Command): void {
  const words = pathOf(action).split(' ').slice(1).join(' ')
  if (command === undefined || TAKES_COMMAND.has(words)) return
  throw new OpenExecError(
    'bad_request',
    `Cannot use -- with \`${pathOf(action)}\`: only \`run\`, \`fork\`, \`sandbox exec\` and \`schedule add\` take a command`,
    { hint: `See \`${pathOf(action)} --help\`` },
  )
}

function usageError(command: Command, error: CommanderError): Error {
  if (error.exitCode === 0 || error.code === 'commander.help') return error
  const [first = '', ...more] = error.message.replace(/^error: /, '').split('\n')
  const suggestion = more
    .map((line) => line.replace(/^\((.*)\)$/, '$1'))
    .filter((line) => line !== '')
  return new OpenExecError('bad_request', `Cannot read the command line: ${first}`, {
    hint: [...suggestion, `See \`${pathOf(command)} --help\``].join('\n'),
    cause: error,
  })
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`
}

function versionOf(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  const parsed: unknown = JSON.parse(text)
  const version =
    parsed !== null && typeof parsed === 'object' && 'version' in parsed ? parsed.version : ''
  return String(version)
}
