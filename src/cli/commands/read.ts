/** ps, show: what runs are there, and how one ended. */
import type { Command } from 'commander'
import { type Artifact, OpenExecError, Receipt, type Run, RunStatus } from '../../schema/index.ts'
import { bodyOf, bytesOf, type Client } from '../client.ts'
import {
  type CommandContext,
  READ,
  type JsonOptions,
  using,
  wholeNumber,
  withRun,
  withStateOptions,
} from '../command-context.ts'
import {
  age,
  bytes,
  duration,
  oneLine,
  paint,
  printJson,
  printTable,
  verdictMark,
} from '../print.ts'
import { outcomeLines } from '../summary.ts'

export function registerRead(program: Command, context: CommandContext): void {
  registerPs(program, context)
  registerShow(program, context)
}

function registerPs(program: Command, context: CommandContext): void {
  withStateOptions(program.command('ps').description('List runs, newest first.'))
    .option('-n, --limit <count>', 'how many', '20')
    .option('--status <status>', `one of ${RunStatus.options.join(', ')}`)
    .option('--json', 'print one JSON object: {"runs": [...]}')
    .addHelpText('after', PS_HELP)
    .action(async (options: PsOptions) => {
      const { io } = context
      const limit = wholeNumber('--limit', options.limit, { min: 1, max: 1000 })
      const status = options.status === undefined ? undefined : statusOf(options.status)
      const query = { limit: String(limit), ...(status !== undefined && { status }) }
      const runs = await listRuns(context, options, query)
      if (options.json === true) return printJson(io, { runs })
      if (runs.length === 0)
        return io.err(
          status === undefined ? 'No runs yet: start one with `openexec run`' : 'No runs',
        )
      printTable(
        io,
        ['RUN', 'STATUS', 'BLUEPRINT', 'STARTED', 'TOOK', 'TASK'],
        runs.map((run) => rowOf(context, run)),
      )
    })
}

interface PsOptions extends JsonOptions {
  limit: string
  status?: string
}

async function listRuns(
  context: CommandContext,
  options: PsOptions,
  query: { limit: string; status?: RunStatus },
): Promise<Run[]> {
  try {
    return await using(context, { ...READ, from: options }, async ({ client }) => {
      const { runs } = await bodyOf(client.v1.runs.$get({ query }))
      return runs
    })
  } catch (error) {
    // A repository in which nothing was ever run has no runs; a place that was named must exist.
    const named = options.state !== undefined || options.repo !== undefined
    const isMissing = error instanceof OpenExecError && error.details?.['missing'] !== undefined
    if (isMissing && !named) return []
    throw error
  }
}

const PS_HELP = `
Examples:
  openexec ps --status failed -n 5
  openexec ps --json | jq -r '.runs[0].id'     id of the newest run`

function statusOf(text: string): RunStatus {
  const parsed = RunStatus.safeParse(text)
  if (parsed.success) return parsed.data
  throw new OpenExecError(
    'bad_request',
    `Cannot use --status "${text}": expected one of ${RunStatus.options.join(', ')}`,
  )
}

function rowOf({ io, now }: CommandContext, run: Run): string[] {
  const took = run.startedAt === undefined ? '' : duration((run.endedAt ?? now()) - run.startedAt)
  const what = run.request.task === '' ? (run.request.command ?? []).join(' ') : run.request.task
  const why = run.reason === undefined || run.reason === run.status ? '' : ` (${run.reason})`
  return [
    run.id,
    `${verdictMark(io, run.status)} ${run.status}${why}`,
    oneLine(run.blueprint, 40),
    age(now(), run.createdAt),
    took,
    oneLine(what, 50),
  ]
}

function registerShow(program: Command, context: CommandContext): void {
  const command = program
    .command('show')
    .description(
      'Show how a run ended: stages, changes, artifacts; --receipt for what was enforced.',
    )
  withStateOptions(withRun(command))
    .option('--receipt', 'requested against enforced, as measured before any task code ran')
    .option('--json', 'print one JSON object, as `openexec run --json` does')
    .addHelpText('after', SHOW_HELP)
    .action((id: string, options: JsonOptions & { receipt?: boolean }) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        if (options.receipt === true) return await showReceipt(context, { client, id, options })
        const run = await bodyOf(client.v1.runs[':id'].$get({ param: { id } }))
        const result = await bodyOf(client.v1.runs[':id'].result.$get({ param: { id } }))
        if (options.json === true) return printJson(context.io, result)
        const lines = [...headOf(context, run), '', ...outcomeLines(context.io, result)]
        for (const line of lines) context.io.out(line)
        const { artifacts } = await bodyOf(client.v1.runs[':id'].artifacts.$get({ param: { id } }))
        listArtifacts(context, artifacts)
      }),
    )
}

const SHOW_HELP = `
Examples:
  openexec show 4x9k               the first characters of an id are enough
  openexec show 4x9k --receipt     what the sandbox was asked to enforce, and what it did
  openexec show 4x9k --json | jq .stages`

function headOf({ now }: CommandContext, run: Run): string[] {
  const lines = [
    `Run        ${run.id}`,
    `Blueprint  ${oneLine(run.blueprint, 200)}`,
    `Repository ${oneLine(run.request.repo, 300)}`,
    `Base       ${run.baseCommit ?? 'not resolved'}${run.request.ref === undefined ? '' : ` (${oneLine(run.request.ref, 100)})`}`,
    `Created    ${new Date(run.createdAt).toISOString()} (${age(now(), run.createdAt)})`,
  ]
  if (run.request.command !== undefined)
    lines.push(`Command    ${oneLine(run.request.command.join(' '), 300)}`)
  if (run.request.task !== '') lines.push(`Task       ${oneLine(run.request.task, 300)}`)
  if (run.policyHash !== undefined) lines.push(`Policy     ${run.policyHash}`)
  return lines
}

export function listArtifacts({ io }: CommandContext, artifacts: readonly Artifact[]): void {
  if (artifacts.length === 0) return io.err('No artifacts')
  io.out('')
  printTable(
    io,
    ['ARTIFACT', 'TYPE', 'SIZE', 'SHA256'],
    artifacts.map(({ name, type, size, sha256 }) => [
      oneLine(name, 80),
      type,
      bytes(size),
      sha256.slice(0, 16),
    ]),
  )
}

async function showReceipt(
  { io }: CommandContext,
  given: { client: Client; id: string; options: JsonOptions },
): Promise<void> {
  const { client, id, options } = given
  const content = await bytesOf(
    client.v1.runs[':id'].artifacts[':artifact'].$get({ param: { id, artifact: 'receipt' } }),
  )
  const receipt = Receipt.parse(JSON.parse(new TextDecoder().decode(content)))
  if (options.json === true) return printJson(io, receipt)
  io.out(`Image   ${receipt.image.name} ${receipt.image.id}`)
  io.out(
    `Engine  ${receipt.engine.version} (API ${receipt.engine.api}), runtime ${receipt.engine.runtime}`,
  )
  io.out(`Confinement ${receipt.confinement}`)
  io.out('')
  printTable(
    io,
    ['', 'GUARANTEE', 'REQUESTED', 'ENFORCED', 'SEEN BY'],
    receipt.items.map(({ guarantee, requested, enforced, source, status }) => [
      status === 'enforced'
        ? paint(io, 'green', '✔')
        : paint(io, status === 'soft' ? 'yellow' : 'red', status === 'soft' ? '~' : '✘'),
      guarantee,
      oneLine(requested, 48),
      oneLine(enforced, 48),
      source,
    ]),
  )
  io.out('')
  io.out(
    receipt.complete
      ? 'Everything asked for is enforced (~: watched, not enforced by the kernel)'
      : 'DEGRADED: the caller accepted less than was asked for',
  )
}
