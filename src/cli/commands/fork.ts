/** fork: more runs from where another one stood. */
import type { Command } from 'commander'
import { OpenExecError, type Run } from '../../schema/index.ts'
import { attach, type AttachOptions } from '../attach.ts'
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
import { printJson } from '../print.ts'
import { summaryLines } from '../summary.ts'

interface ForkOptions extends StateOptions, AttachOptions {
  at?: string
  count: string
  task?: string
  detach?: boolean
}

const FORKS_MAX = 64

const HELP = `
Examples:
  openexec fork 4x9k                           the same again, from the files it ended with
  openexec fork 4x9k --at implement -n 3       three runs from the checkpoint of one stage
  openexec fork 4x9k -- npm test               another command on those files

A fork runs the blueprint from its first stage, under the policy as it is now. Its changes are told
against the commit the first run began with, so \`apply\` and \`merge\` bring all of them.
With -n, the exit code is that of the first run that did not succeed.`

export function registerFork(program: Command, context: CommandContext): void {
  const command = program
    .command('fork')
    .description('Start runs from a checkpoint of another run.')
  withStateOptions(withRun(command))
    .option('--at <stage>', 'stage after which to begin (default: the last checkpoint)')
    .option('-n, --count <number>', 'how many runs to start', '1')
    .option('--task <text>', 'another task')
    .option('--detach', 'print the ids and return; the runs go on in the background')
    .option('--json', 'print one JSON object for each run at its end')
    .option('-q, --quiet', 'no progress lines; a summary only when the run does not succeed')
    .option('--raw', 'pass terminal control sequences of the sandbox through')
    .addHelpText('after', HELP)
    .action((id: string, options: ForkOptions) => fork(context, id, options))
}

async function fork(context: CommandContext, id: string, options: ForkOptions): Promise<void> {
  const { at, task } = options
  const { command } = context
  const count = wholeNumber('-n', options.count, { min: 1, max: FORKS_MAX })
  if (command !== undefined && (command.length === 0 || command[0] === ''))
    throw new OpenExecError('bad_request', 'Cannot run an empty command: expected argv after --')
  const launch = options.detach === true ? 'worker' : 'here'
  await using(context, { ...READ, launch, from: options }, async ({ client }) => {
    const json = {
      count,
      ...(at !== undefined && { at }),
      ...(task !== undefined && { task }),
      ...(command !== undefined && { command: [...command] }),
    }
    const { runs } = await bodyOf(client.v1.runs[':id'].fork.$post({ param: { id }, json }))
    const [only, ...others] = runs
    if (options.detach === true) for (const run of runs) announce(context, run, options)
    else if (only !== undefined && others.length === 0)
      await attach(context, { client, run: only, after: 0, seen: new Set() }, options)
    else await waitForAll(context, client, { runs, options })
  })
}

function announce({ io }: CommandContext, { id, status }: Run, options: ForkOptions): void {
  if (options.json === true) printJson(io, { run: id, status })
  else io.out(id)
}

/** Side by side their output would be unreadable, so only their ends are shown, as they come. */
async function waitForAll(
  { io, exit }: CommandContext,
  client: Client,
  { runs, options }: { runs: readonly Run[]; options: ForkOptions },
): Promise<void> {
  const cancel = () => {
    for (const { id } of runs) client.v1.runs[':id'].cancel.$post({ param: { id } }).catch(() => {})
  }
  io.signal.addEventListener('abort', cancel, { once: true })
  try {
    const codes = await Promise.all(
      runs.map(async ({ id }) => {
        const { signal } = new AbortController()
        for await (const frame of followRun(client, { run: id, after: 0, live: true, signal }))
          if (frame.type === 'end') break
        const result = await bodyOf(client.v1.runs[':id'].result.$get({ param: { id } }))
        if (options.json === true) printJson(io, result)
        else if (options.quiet !== true || result.exit_code !== 0)
          for (const line of summaryLines(io, result)) io.out(line)
        return result.exit_code
      }),
    )
    exit(codes.find((code) => code !== 0) ?? 0)
  } finally {
    io.signal.removeEventListener('abort', cancel)
  }
}
