/** blueprint, doctor: what can be asked without any run. */
import type { Command } from 'commander'
import type { MachineCapability } from '../../schema/index.ts'
import { bodyOf } from '../client.ts'
import { CATALOG, type CommandContext, documentOf, using } from '../command-context.ts'
import { oneLine, paint, printJson, printTable } from '../print.ts'

export function registerCatalog(program: Command, context: CommandContext): void {
  registerBlueprint(program, context)
  registerDoctor(program, context)
}

function registerBlueprint(program: Command, context: CommandContext): void {
  const blueprint = program.command('blueprint').description('List blueprints, or check one.')
  blueprint
    .command('list')
    .description('List the blueprints that ship with OpenExec.')
    .option('--json', 'print one JSON object')
    .addHelpText('after', '\nExample:\n  openexec blueprint list && openexec run check')
    .action((options: { json?: boolean }) =>
      using(context, CATALOG, async ({ client }) => {
        const { blueprints } = await bodyOf(client.v1.blueprints.$get())
        if (options.json === true) return printJson(context.io, { blueprints })
        printTable(
          context.io,
          ['NAME', 'MODEL', 'STAGES', 'DESCRIPTION'],
          blueprints.map(({ name, agent, stages, description }) => [
            name,
            agent ? 'needed' : '-',
            String(stages.length),
            oneLine(description, 80),
          ]),
        )
      }),
    )
  blueprint
    .command('check')
    .argument('<file>', 'a YAML file')
    .description(
      'Prove that a blueprint is sound: routes, data flow, bounds; every problem with its place.',
    )
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      '\nExample:\n  openexec blueprint check ./my.yaml && openexec run ./my.yaml',
    )
    .action((file: string, options: { json?: boolean }) =>
      using(context, CATALOG, async ({ client }) => {
        const json = await documentOf(context, file)
        const report = await bodyOf(client.v1.blueprints.check.$post({ json }))
        if (options.json === true) return printJson(context.io, { ok: true, ...report })
        context.io.out(report.graph)
        context.io.out(`\n${paint(context.io, 'green', '✔')} Blueprint "${report.name}" is sound`)
      }),
    )
}

function registerDoctor(program: Command, context: CommandContext): void {
  program
    .command('doctor')
    .description('Check this machine: engine, images, git, what can be enforced here.')
    .option('--live', 'also call the model once, with your key; costs a few tokens')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      '\nExample:\n  openexec doctor --json | jq \'.checks[] | select(.status != "ok")\'\n' +
        '  openexec doctor --json | jq .capabilities.gvisor\n\n' +
        'Exits with 0 when runs are possible here, 125 when they are not.',
    )
    .action((options: { json?: boolean; live?: boolean }) =>
      using(context, CATALOG, async ({ client }) => {
        const live = options.live === true ? 'true' : 'false'
        const report = await bodyOf(client.v1.doctor.$get({ query: { live } }))
        if (!report.ok) context.exit(125)
        if (options.json === true) return printJson(context.io, report)
        const marks = {
          ok: paint(context.io, 'green', '✔'),
          warning: paint(context.io, 'yellow', '!'),
          failed: paint(context.io, 'red', '✘'),
        }
        for (const { name, status, evidence, remedy } of report.checks) {
          context.io.out(`${marks[status]} ${name.padEnd(24)} ${oneLine(evidence, 200)}`)
          if (remedy !== undefined) context.io.out(`    ${oneLine(remedy, 300)}`)
        }
        printCapabilities(context, report.capabilities)
      }),
    )
}

function printCapabilities(
  { io }: CommandContext,
  capabilities: Readonly<Record<string, MachineCapability>>,
): void {
  io.out('')
  printTable(
    io,
    ['CAPABILITY', 'HAS', 'EVIDENCE'],
    Object.entries(capabilities).map(([name, { has, evidence }]) => [
      name,
      has,
      oneLine(evidence, 110),
    ]),
  )
  for (const [name, { has, meaning, remedy }] of Object.entries(capabilities))
    if (has !== 'yes' && remedy !== undefined)
      io.out(`\n${name}: ${oneLine(meaning, 200)}\n    ${oneLine(remedy, 300)}`)
}
