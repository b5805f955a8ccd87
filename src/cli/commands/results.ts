/** diff, apply, artifacts: what a run made, and taking it over. */
import type { Command } from 'commander'
import { resolve } from 'node:path'
import type { DiffStat } from '../../schema/index.ts'
import { addressPart, bodyOf, bytesOf } from '../client.ts'
import {
  type CommandContext,
  READ,
  type JsonOptions,
  type StateOptions,
  using,
  withRun,
  withStateOptions,
} from '../command-context.ts'
import type { Connection } from '../connect.ts'
import { plural, printJson } from '../print.ts'
import { takeHome } from '../take-home.ts'
import { createTerminalFilter } from '../terminal.ts'
import { registerBringHome } from './bring-home.ts'
import { registerFork } from './fork.ts'
import { listArtifacts } from './read.ts'

export function registerResults(program: Command, context: CommandContext): void {
  registerDiff(program, context)
  registerApply(program, context)
  registerBringHome(program, context)
  registerFork(program, context)
  registerArtifacts(program, context)
}

const DIFF_HELP = `
Examples:
  openexec diff 4x9k                   the patch
  openexec diff 4x9k | git apply       the same as \`openexec apply\`, but with git's own rules
  openexec diff 4x9k --name-only`

function registerDiff(program: Command, context: CommandContext): void {
  const command = program
    .command('diff')
    .description('Print what a run changed, as a patch for `git apply`.')
  withStateOptions(withRun(command))
    .option('--patch', 'the patch; what is printed unless something else is asked for')
    .option('--stat', 'files and line counts')
    .option('--name-only', 'paths only')
    .option('--json', 'one JSON object with the number of files, insertions and deletions')
    .addHelpText('after', DIFF_HELP)
    .action((id: string, options: JsonOptions & { stat?: boolean; nameOnly?: boolean }) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const { diff } = await bodyOf(client.v1.runs[':id'].result.$get({ param: { id } }))
        if (options.json === true) return printJson(context.io, diff)
        if (diff.files === 0) return context.io.err('No file changed')
        const format =
          options.stat === true ? 'stat' : options.nameOnly === true ? 'name-only' : 'patch'
        const query = { format } as const
        await writeBytes(
          context,
          await bytesOf(client.v1.runs[':id'].diff.$get({ param: { id }, query })),
        )
      }),
    )
}

/** Bytes as they are into a file or pipe; made safe for a terminal. */
async function writeBytes({ io }: CommandContext, content: Uint8Array): Promise<void> {
  if (!io.stdoutIsTerminal) return await io.write(content)
  const filter = createTerminalFilter()
  await io.write(Buffer.from(filter.push(content) + filter.end()))
}

const APPLY_HELP = `
Example:
  openexec diff 4x9k && openexec apply 4x9k && git diff

A run of a server whose commits were sent from here is applied here; one of a path on the server,
there. Refuses, and changes nothing, where your checkout differs from what the run began with. Your index
and everything the run did not change stay as they are.`

function registerApply(program: Command, context: CommandContext): void {
  const command = program
    .command('apply')
    .description('Bring the changes of a run into your checkout, all or nothing.')
  withStateOptions(withRun(command))
    .option('--json', 'print one JSON object')
    .addHelpText('after', APPLY_HELP)
    .action((id: string, options: JsonOptions) =>
      using(context, { ...READ, from: options }, async (connection) => {
        const stat = await applied(context, connection, { id, from: options })
        if (options.json === true) return printJson(context.io, { applied: true, ...stat })
        context.io.out(
          stat.files === 0
            ? 'Nothing to apply: the run changed no file'
            : `Applied ${plural(stat.files, 'file')}, ${plural(stat.insertions, 'insertion')}, ${plural(stat.deletions, 'deletion')}`,
        )
      }),
    )
}

/** Into the checkout here, unless the run's own is on the machine that executed it. */
async function applied(
  context: CommandContext,
  connection: Connection,
  run: { id: string; from: StateOptions },
): Promise<DiffStat> {
  const { client } = connection
  const param = { id: run.id }
  const taken = await takeHome(context, connection, run, async (checkout, { from, to }) => {
    const { diff } = await bodyOf(client.v1.runs[':id'].result.$get({ param }))
    if (from !== to) await checkout.apply({ from, to })
    return diff
  })
  return taken ?? (await bodyOf(client.v1.runs[':id'].apply.$post({ param })))
}

const ARTIFACTS_HELP = `
Examples:
  openexec artifacts 4x9k
  openexec artifacts get 4x9k test_report | jq .counts
  openexec artifacts get 4x9k changes.patch -o fix.patch`

function registerArtifacts(program: Command, context: CommandContext): void {
  const artifacts = program
    .command('artifacts')
    .usage('RUN | get RUN NAME [-o FILE]')
    .description('List the artifacts of a run, or fetch one.')
    .addHelpText('after', ARTIFACTS_HELP)
  withStateOptions(
    withRun(artifacts.command('list', { isDefault: true })).description(
      'List the artifacts of a run.',
    ),
  )
    .option('--json', 'print one JSON object: {"artifacts": [...]}')
    .action((id: string, options: JsonOptions) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const body = await bodyOf(client.v1.runs[':id'].artifacts.$get({ param: { id } }))
        if (options.json === true) return printJson(context.io, body)
        listArtifacts(context, body.artifacts)
      }),
    )
  withStateOptions(
    withRun(artifacts.command('get'))
      .argument('<name>', 'name of the artifact (the latest of it), or the beginning of its id')
      .description('Write one artifact to stdout or to a file.'),
  )
    .option('-o, --output <file>', 'file to write')
    .addHelpText('after', ARTIFACTS_HELP)
    .action((id: string, name: string, options: StateOptions & { output?: string }) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const param = { id, artifact: addressPart(name) }
        const content = await bytesOf(client.v1.runs[':id'].artifacts[':artifact'].$get({ param }))
        if (options.output === undefined) return await writeBytes(context, content)
        await context.io.writeFile(resolve(context.io.cwd, options.output), content)
        context.io.err(`Wrote ${content.length} bytes to ${options.output}`)
      }),
    )
}
