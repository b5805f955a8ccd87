/** policy: what it lets runs do, what past runs needed of it, what it would have said to them. */
import type { Command } from 'commander'
import { Option } from 'commander'
import { OpenExecError, SandboxMode, type Simulation } from '../../schema/index.ts'
import { bodyOf } from '../client.ts'
import {
  CATALOG,
  type CommandContext,
  documentOf,
  type JsonOptions,
  READ,
  using,
  wholeNumber,
  withStateOptions,
} from '../command-context.ts'
import { oneLine, paint, plural, printJson, printTable } from '../print.ts'

export function registerPolicy(program: Command, context: CommandContext): void {
  const policy = program.command('policy').description('Explain, check, learn or try out a policy.')
  policy
    .command('explain')
    .argument('[file]', 'policy file (default: the built-in policy)')
    .description('Say what a run may do, in words and as engine settings.')
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  openexec policy explain                                   the built-in policy\n' +
        '  openexec policy explain openexec.policy.yaml --sandbox read_only',
    )
    .addOption(new Option('--sandbox <mode>', 'for this mode').choices([...SandboxMode.options]))
    .option('--json', 'print one JSON object')
    .action((file: string | undefined, options: { sandbox?: SandboxMode; json?: boolean }) =>
      using(context, CATALOG, async ({ client }) => {
        const document = file === undefined ? undefined : await documentOf(context, file)
        const explanation = await bodyOf(
          client.v1.policies.explain.$post({
            json: {
              ...(document !== undefined && { document }),
              ...(options.sandbox !== undefined && { mode: options.sandbox }),
            },
          }),
        )
        if (options.json === true) return printJson(context.io, explanation)
        context.io.out(explanation.text)
      }),
    )
  policy
    .command('check')
    .argument('<file>', 'a YAML file')
    .description('Check a policy file and run the tests inside it.')
    .addHelpText('after', '\nExample:\n  openexec policy check openexec.policy.yaml')
    .option('--json', 'print one JSON object')
    .action((file: string, options: { json?: boolean }) =>
      using(context, CATALOG, async ({ client }) => {
        const json = await documentOf(context, file)
        const report = await bodyOf(client.v1.policies.check.$post({ json }))
        if (options.json === true) return printJson(context.io, { ok: true, ...report })
        context.io.out(
          `${paint(context.io, 'green', '✔')} Policy "${file}" is sound: ${plural(report.rules, 'rule')}, its tests pass`,
        )
      }),
    )
  registerLearn(policy, context)
  registerSimulate(policy, context)
}

const LEARN_HELP = `
Prints a policy file with exactly the hosts, ports and (for plain HTTP) methods that the runs reached.
What was denied to them stands below as comments. To find out what a build needs, run it once with

  version: 1
  network: { mode: audit }

in its policy: every command then waits for your approval, reaches any public host, and is recorded.

Examples:
  openexec policy learn 4f2a > openexec.policy.yaml
  openexec policy learn 4f2a 91bc --merge-suffixes
  openexec policy learn 4f2a --json | jq .allow`

function registerLearn(policy: Command, context: CommandContext): void {
  withStateOptions(
    policy
      .command('learn')
      .argument('<run...>', 'ids of runs, or their beginnings')
      .description('Write the tightest list of hosts that past runs needed.'),
  )
    .option('--merge-suffixes', 'make one entry *.suffix of hosts that share it')
    .option('--json', 'print one JSON object')
    .addHelpText('after', LEARN_HELP)
    .action((runs: string[], options: JsonOptions & { mergeSuffixes?: boolean }) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const json = { runs, mergeSuffixes: options.mergeSuffixes === true }
        const learnt = await bodyOf(client.v1.policies.learn.$post({ json }))
        const { io } = context
        if (options.json === true) return printJson(io, learnt)
        io.out(learnt.yaml.trimEnd())
        if (learnt.allow.length === 0)
          io.err('Nothing was reached: give the run a policy with "network: { mode: audit }" first')
        for (const run of learnt.incomplete)
          io.err(`Run ${run} made more kinds of connections than were listed: hosts may be missing`)
      }),
    )
}

const SIMULATE_HELP = `
Every decision that the runs recorded (commands, tools, hosts) is made again under the policy, by the
functions that decide for real. Nothing is run. What a record does not hold (paths of requests,
addresses) counts as permitted. Exits with 5 when something would be blocked that was not.

Examples:
  openexec policy simulate --against last:20
  openexec policy simulate --against 4f2a,91bc --policy stricter.yaml
  openexec policy simulate --against last:100 --json | jq '.changes[] | select(.now == "block")'`

interface SimulateOptions extends JsonOptions {
  against: string
  policy?: string
}

function registerSimulate(policy: Command, context: CommandContext): void {
  withStateOptions(
    policy.command('simulate').description('Say what a policy would have changed in past runs.'),
  )
    .requiredOption('--against <runs>', 'last:N, or ids with commas between')
    .option('--policy <file>', 'policy file (default: the built-in policy)')
    .option('--json', 'print one JSON object')
    .addHelpText('after', SIMULATE_HELP)
    .action((options: SimulateOptions) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const { policy: file } = options
        const document = file === undefined ? undefined : await documentOf(context, file)
        const json = {
          runs: runsOf(options.against),
          ...(document !== undefined && { document }),
        }
        const simulation = await bodyOf(client.v1.policies.simulate.$post({ json }))
        if (simulation.changes.some(({ was, now }) => now === 'block' && was !== 'block'))
          context.exit(5)
        if (options.json === true) return printJson(context.io, simulation)
        printSimulation(context, simulation)
      }),
    )
}

/** Throws `bad_request`. */
function runsOf(text: string): { last: number } | { ids: string[] } {
  const last = /^last:(.*)$/.exec(text)?.[1]
  if (last !== undefined)
    return { last: wholeNumber('--against last:N', last, { min: 1, max: 1000 }) }
  const ids = text.split(',').map((id) => id.trim())
  if (ids.every((id) => /^[A-Za-z0-9_-]{1,64}$/.test(id))) return { ids }
  throw new OpenExecError('bad_request', `Cannot read --against "${text}": it names no runs`, {
    hint: 'Write last:20, or ids of runs with commas between (see `openexec ps`)',
  })
}

function printSimulation({ io }: CommandContext, simulation: Simulation): void {
  const { runs, decisions, changes, omitted } = simulation
  const seen = `${plural(decisions, 'decision')} of ${plural(runs.length, 'run')}`
  if (changes.length === 0) return io.out(`${paint(io, 'green', '✔')} ${seen}: all as they were`)
  printTable(
    io,
    ['RUN', 'STAGE', 'WHAT', 'WAS', 'NOW', 'BY', 'TO CHANGE THAT'],
    changes.map(({ run, stage, capability, what, was, now, rule, remedy }) => [
      run,
      stage,
      oneLine(`${capability} ${what}`, 80),
      was,
      now,
      oneLine(rule, 60),
      oneLine(remedy, 120),
    ]),
  )
  const more = omitted === 0 ? '' : `, and ${omitted} more`
  io.err(`${seen}: ${plural(changes.length, 'change')}${more}`)
}
