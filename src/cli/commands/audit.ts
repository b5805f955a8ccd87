/** audit verify, replay: whether the record of a run holds, and whether it can be gone through again. */
import type { Command } from 'commander'
import type { ReplayReport } from '../../schema/index.ts'
import { bodyOf } from '../client.ts'
import {
  type CommandContext,
  READ,
  type JsonOptions,
  using,
  withRun,
  withStateOptions,
} from '../command-context.ts'
import { oneLine, plural, printJson } from '../print.ts'

export function registerAudit(program: Command, context: CommandContext): void {
  const audit = program.command('audit').description('Check the record of a run.')
  registerVerify(audit, context)
  registerReplay(program, context)
}

const VERIFY_HELP = `
Examples:
  openexec audit verify 4x9k
  openexec audit verify 4x9k --json | jq -r .audit_hash    keep it elsewhere: it names this very record

Recomputes both chains of hashes from the first event, compares timeline.jsonl line by line, and reads
every artifact against its hash. Exits with 1 when something was changed.`

function registerVerify(audit: Command, context: CommandContext): void {
  const command = audit
    .command('verify')
    .description('Say whether anything of a run was changed after it was written.')
  withStateOptions(withRun(command))
    .option('--json', 'print one JSON object')
    .addHelpText('after', VERIFY_HELP)
    .action((id: string, options: JsonOptions) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const report = await bodyOf(client.v1.runs[':id'].audit.$get({ param: { id } }))
        if (!report.ok) context.exit(1)
        if (options.json === true) return printJson(context.io, report)
        const { out } = context.io
        if (report.ok)
          out(
            `${report.run}: ${plural(report.events, 'event')} and ${plural(report.artifacts, 'artifact')} are as they were written${report.complete ? '' : '; the run has not ended'}`,
          )
        for (const problem of report.problems) out(`${report.run}: ${oneLine(problem, 300)}`)
        out(`replay hash ${report.replay_hash}`)
        out(`audit hash  ${report.audit_hash}`)
      }),
    )
}

const REPLAY_HELP = `
Examples:
  openexec replay 4x9k
  openexec replay 4x9k --json | jq .divergence

Goes through the record again with the program's own decisions: order of stages, policy, prompts and
bounds of agents. What commands, sandboxes, people and the model answered is taken from the record; no
engine, key or network is needed. Every event must have the hash that is stored. Exits with 1 at the
first that has not, and shows it.`

function registerReplay(program: Command, context: CommandContext): void {
  const command = program
    .command('replay')
    .description('Go through an ended run again from its record, and compare every event.')
  withStateOptions(withRun(command))
    .option('--json', 'print one JSON object')
    .addHelpText('after', REPLAY_HELP)
    .action((id: string, options: JsonOptions) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const report = await bodyOf(client.v1.runs[':id'].replay.$get({ param: { id } }))
        if (!report.ok) context.exit(1)
        if (options.json === true) return printJson(context.io, report)
        for (const line of linesOf(report)) context.io.out(line)
      }),
    )
}

function linesOf(report: ReplayReport): string[] {
  const { run, events, remade, recorded, agents, divergence, notes, replay_hash: hash } = report
  const counts = `${remade} decided again, ${recorded} as recorded, ${plural(agents, 'agent stage')} gone through`
  const head =
    divergence === null
      ? [`${run}: all ${plural(events, 'event')} are the same (${counts})`, `replay hash ${hash}`]
      : [
          `${run}: event ${divergence.seq} (${divergence.type}${divergence.stage === null ? '' : `, stage ${divergence.stage}`}) differs at "${divergence.at}"`,
          `  recorded ${oneLine(divergence.recorded, 400)}`,
          `  replayed ${oneLine(divergence.replayed, 400)}`,
        ]
  return [...head, ...notes.map((note) => `note: ${note}`)]
}
