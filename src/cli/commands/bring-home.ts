/** merge, branch: what a run made as commits of the user's repository. */
import type { Command } from 'commander'
import { OpenExecError } from '../../schema/index.ts'
import { bodyOf } from '../client.ts'
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

export function registerBringHome(program: Command, context: CommandContext): void {
  registerMerge(program, context)
  registerBranch(program, context)
}

const MERGE_HELP = `
Examples:
  openexec merge 4x9k
  openexec branch 4x9k && git merge openexec/run_4x9k…    the same by hand, with your own rules

Commits a task made keep their authors. A branch that has not moved since the run began is moved
forward; otherwise both sides are merged, and where both changed the same lines, nothing happens and
the paths are listed. Files, index and branch change together or not at all. No hook and no filter
of the repository runs.`

function registerMerge(program: Command, context: CommandContext): void {
  const command = program
    .command('merge')
    .description('Merge what a run made into the branch you have checked out, all or nothing.')
  withStateOptions(withRun(command))
    .option('--json', 'print one JSON object')
    .addHelpText('after', MERGE_HELP)
    .action((id: string, options: JsonOptions) =>
      using(context, { ...READ, from: options }, async (connection) => {
        const merged = await mergeRun(context, connection, { id, from: options })
        if (options.json === true) return printJson(context.io, { merged: true, ...merged })
        const { branch, commit, how, files } = merged
        const into = `"${branch}" (${commit.slice(0, 12)})`
        if (how === 'already_there') return context.io.out(`Nothing to merge: ${into} has it`)
        const way = how === 'fast_forward' ? 'moved forward to' : 'merged into'
        context.io.out(`Run ${way} ${into}: ${plural(files, 'file')} changed by the run`)
      }),
    )
}

interface NamedRun {
  id: string
  from: StateOptions
}

async function mergeRun(context: CommandContext, connection: Connection, named: NamedRun) {
  const { client } = connection
  const param = { id: named.id }
  const here = await takeHome(context, connection, named, async (checkout, { run, commit }) => {
    const { id, request } = run
    if (request.origin?.kind === 'upload' && request.origin.dirty)
      throw new OpenExecError(
        'conflict',
        `Cannot merge run "${id}": it began with uncommitted changes of your checkout`,
        { hint: `Take its files with \`openexec apply ${id}\`` },
      )
    const task = request.task.split('\n', 1)[0]?.replaceAll(/\p{C}/gu, ' ').slice(0, 72) ?? ''
    const message = `Merge run ${id}\n\n${task}\n\nOpenExec-Run: ${id}\n`
    const merged = await checkout.merge({ commit, message })
    const { diff } = await bodyOf(client.v1.runs[':id'].result.$get({ param }))
    return { ...diff, ...merged }
  })
  return here ?? (await bodyOf(client.v1.runs[':id'].merge.$post({ param })))
}

async function branchOf(
  context: CommandContext,
  connection: Connection,
  { name, ...named }: NamedRun & { name: string | undefined },
): Promise<{ branch: string; commit: string }> {
  const here = await takeHome(context, connection, named, async (checkout, { run, commit }) => {
    const branch = name ?? `openexec/${run.id}`
    await checkout.branch({ name: branch, commit })
    return { branch, commit }
  })
  if (here !== undefined) return here
  const json = name === undefined ? {} : { name }
  const param = { id: named.id }
  return await bodyOf(connection.client.v1.runs[':id'].branch.$post({ param, json }))
}

const BRANCH_HELP = `
Examples:
  openexec branch 4x9k
  openexec branch 4x9k --name fix/login`

function registerBranch(program: Command, context: CommandContext): void {
  const command = program
    .command('branch')
    .description('Make a branch of your repository from what a run made; nothing is checked out.')
  withStateOptions(withRun(command))
    .option('--name <branch>', 'name of the branch (default: openexec/<run>)')
    .option('--json', 'print one JSON object')
    .addHelpText('after', BRANCH_HELP)
    .action((id: string, { name, json, ...from }: JsonOptions & { name?: string }) =>
      using(context, { ...READ, from }, async (connection) => {
        const made = await branchOf(context, connection, { id, from, name })
        if (json === true) return printJson(context.io, made)
        context.io.out(`Branch "${made.branch}" is at ${made.commit.slice(0, 12)}`)
      }),
    )
}
