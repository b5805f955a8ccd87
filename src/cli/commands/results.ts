/** diff, apply, artifacts: what a run made, and taking it over. */
import type { Command } from 'commander'
import { resolve } from 'node:path'
import { bodyOf, bytesOf } from '../client.ts'
import { type CommandContext, READ, type StateOptions, using, withStateOptions } from '../command-context.ts'
import { plural, printJson } from '../print.ts'
import { createTerminalFilter } from '../terminal.ts'
import { listArtifacts } from './read.ts'

interface JsonOption extends StateOptions {
  json?: boolean
}

export function registerResults(program: Command, context: CommandContext): void {
  registerDiff(program, context)
  registerApply(program, context)
  registerArtifacts(program, context)
}

function registerDiff(program: Command, context: CommandContext): void {
  withStateOptions(
    program.command('diff').argument('<run>').description('Print what a run changed, as a patch for `git apply`.'),
  )
    .option('--stat', 'files and line counts')
    .option('--name-only', 'paths only')
    .option('--json', 'files, insertions and deletions as JSON')
    .action((id: string, options: JsonOption & { stat?: boolean; nameOnly?: boolean }) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        if (options.json === true) {
          const result = await bodyOf(client.v1.runs[':id'].result.$get({ param: { id } }))
          return printJson(context.io, result.diff)
        }
        const format = options.stat === true ? 'stat' : options.nameOnly === true ? 'name-only' : 'patch'
        const text = await bytesOf(client.v1.runs[':id'].diff.$get({ param: { id }, query: { format } }))
        await writeBytes(context, text)
      }),
    )
}

/** Bytes as they are into a file or pipe; made safe for a terminal. */
async function writeBytes({ io }: CommandContext, content: Uint8Array): Promise<void> {
  if (!io.stdoutIsTerminal) return await io.write(content)
  const filter = createTerminalFilter()
  await io.write(Buffer.from(filter.push(content) + filter.end()))
}

function registerApply(program: Command, context: CommandContext): void {
  withStateOptions(
    program
      .command('apply')
      .argument('<run>')
      .description('Bring the changes of a run into your checkout, all or nothing.')
      .addHelpText(
        'after',
        '\nRefuses, and changes nothing, where your checkout differs from what the run began with.',
      ),
  )
    .option('--json', 'print JSON')
    .action((id: string, options: JsonOption) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const stat = await bodyOf(client.v1.runs[':id'].apply.$post({ param: { id } }))
        if (options.json === true) return printJson(context.io, { applied: true, ...stat })
        context.io.out(
          stat.files === 0
            ? 'Nothing to apply: the run changed no file'
            : `Applied ${plural(stat.files, 'file')}, ${plural(stat.insertions, 'insertion')}, ${plural(stat.deletions, 'deletion')}`,
        )
      }),
    )
}

function registerArtifacts(program: Command, context: CommandContext): void {
  const artifacts = program
    .command('artifacts')
    .usage('RUN | get RUN NAME [-o FILE]')
    .description('List the artifacts of a run, or fetch one.')
  withStateOptions(
    artifacts.command('list', { isDefault: true }).argument('<run>').description('List the artifacts of a run.'),
  )
    .option('--json', 'print JSON')
    .action((id: string, options: JsonOption) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const body = await bodyOf(client.v1.runs[':id'].artifacts.$get({ param: { id } }))
        if (options.json === true) return printJson(context.io, body)
        listArtifacts(context, body.artifacts)
      }),
    )
  withStateOptions(
    artifacts
      .command('get')
      .argument('<run>')
      .argument('<name>', 'name of the artifact, or the beginning of its id')
      .description('Write one artifact to stdout or to a file.'),
  )
    .option('-o, --output <file>', 'file to write')
    .action((id: string, name: string, options: StateOptions & { output?: string }) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const content = await bytesOf(
          client.v1.runs[':id'].artifacts[':artifact'].$get({ param: { id, artifact: name } }),
        )
        if (options.output === undefined) return await writeBytes(context, content)
        await context.io.writeFile(resolve(context.io.cwd, options.output), content)
        context.io.err(`Wrote ${content.length} bytes to ${options.output}`)
      }),
    )
}
