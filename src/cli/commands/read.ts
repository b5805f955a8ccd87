/** ps, show, events, logs: what runs are there, and what happened in one. */
import type { Command } from 'commander'
import { type Artifact, OpenExecError, Receipt, type Run, RunStatus } from '../../schema/index.ts'
import { bodyOf, bytesOf, type Client } from '../client.ts'
import {
  type CommandContext,
  READ,
  type StateOptions,
  using,
  wholeNumber,
  withStateOptions,
} from '../command-context.ts'
import { followRun } from '../follow.ts'
import { age, bytes, duration, oneLine, paint, printJson, printTable, verdictMark } from '../print.ts'
import { createProgress } from '../progress.ts'
import { summaryLines } from '../summary.ts'

interface ReadOptions extends StateOptions {
  json?: boolean
}

export function registerRead(program: Command, context: CommandContext): void {
  registerPs(program, context)
  registerShow(program, context)
  registerEvents(program, context)
  registerLogs(program, context)
}

function registerPs(program: Command, context: CommandContext): void {
  withStateOptions(program.command('ps').description('List runs, newest first.'))
    .option('-n, --limit <count>', 'how many', '20')
    .option('--status <status>', `one of ${RunStatus.options.join(', ')}`)
    .option('--json', 'print JSON')
    .action((options: ReadOptions & { limit: string; status?: string }) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        wholeNumber('--limit', options.limit)
        const { runs } = await bodyOf(
          client.v1.runs.$get({
            query: {
              limit: options.limit,
              ...(options.status !== undefined && { status: statusOf(options.status) }),
            },
          }),
        )
        if (options.json === true) return printJson(context.io, { runs })
        printTable(
          context.io,
          ['RUN', 'STATUS', 'BLUEPRINT', 'STARTED', 'TOOK', 'TASK'],
          runs.map((run) => rowOf(context, run)),
        )
      }),
    )
}

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
  const status = run.reason === undefined ? run.status : `${run.status} (${run.reason})`
  return [
    run.id,
    `${verdictMark(io, run.status)} ${status}`,
    oneLine(run.blueprint, 40),
    age(now(), run.createdAt),
    took,
    oneLine(what, 50),
  ]
}

function registerShow(program: Command, context: CommandContext): void {
  withStateOptions(
    program
      .command('show')
      .argument('<run>', 'run id, or the beginning of one')
      .description('Show how a run ended: stages, artifacts, changes; --receipt for what was enforced.'),
  )
    .option('--receipt', 'requested against enforced, as measured before any task code ran')
    .option('--json', 'print JSON')
    .action((id: string, options: ReadOptions & { receipt?: boolean }) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        if (options.receipt === true) return await showReceipt(context, { client, id, options })
        const run = await bodyOf(client.v1.runs[':id'].$get({ param: { id } }))
        const result = await bodyOf(client.v1.runs[':id'].result.$get({ param: { id } }))
        if (options.json === true) return printJson(context.io, result)
        for (const line of [...headOf(context, run), ...summaryLines(context.io, result)])
          context.io.out(line)
        const { artifacts } = await bodyOf(client.v1.runs[':id'].artifacts.$get({ param: { id } }))
        listArtifacts(context, artifacts)
      }),
    )
}

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
  given: { client: Client; id: string; options: ReadOptions },
): Promise<void> {
  const { client, id, options } = given
  const content = await bytesOf(
    client.v1.runs[':id'].artifacts[':artifact'].$get({ param: { id, artifact: 'receipt' } }),
  )
  const receipt = Receipt.parse(JSON.parse(new TextDecoder().decode(content)))
  if (options.json === true) return printJson(io, receipt)
  io.out(`Image   ${receipt.image.name} ${receipt.image.id}`)
  io.out(`Engine  ${receipt.engine.version} (API ${receipt.engine.api}), runtime ${receipt.engine.runtime}`)
  io.out(`Confinement ${receipt.confinement}`)
  io.out('')
  printTable(
    io,
    ['', 'GUARANTEE', 'REQUESTED', 'ENFORCED', 'SEEN BY'],
    receipt.items.map(({ guarantee, requested, enforced, source, status }) => [
      status === 'enforced' ? paint(io, 'green', '✔') : paint(io, status === 'soft' ? 'yellow' : 'red', status === 'soft' ? '~' : '✘'),
      guarantee,
      oneLine(requested, 48),
      oneLine(enforced, 48),
      source,
    ]),
  )
  io.out('')
  io.out(receipt.complete ? 'Everything asked for is enforced (~: watched, not enforced by the kernel)' : 'DEGRADED: the caller accepted less than was asked for')
}

function registerEvents(program: Command, context: CommandContext): void {
  withStateOptions(
    program.command('events').argument('<run>').description('Print the timeline of a run, one event a line.'),
  )
    .option('--after <seq>', 'only events after this number', '0')
    .option('-f, --follow', 'go on until the run ends')
    .option('--json', 'print NDJSON, whole events')
    .action((id: string, options: ReadOptions & { after: string; follow?: boolean }) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const run = await bodyOf(client.v1.runs[':id'].$get({ param: { id } }))
        const after = wholeNumber('--after', options.after)
        const live = options.follow ?? false
        for await (const frame of followRun(client, { run: run.id, after, live })) {
          if (frame.type !== 'event') continue
          const { seq, ts, type, stage, payload } = frame.event
          if (options.json === true) printJson(context.io, frame.event)
          else
            context.io.out(
              `${String(seq).padStart(4)}  ${new Date(ts).toISOString().slice(11, 23)}  ${type.padEnd(20)} ${(stage ?? '').padEnd(16)} ${oneLine(JSON.stringify(payload), 140)}`,
            )
        }
      }),
    )
}

function registerLogs(program: Command, context: CommandContext): void {
  withStateOptions(
    program.command('logs').argument('<run>').description('Print the output of a run, both streams in order.'),
  )
    .option('-f, --follow', 'go on until the run ends')
    .option('--stage <id>', 'only this stage')
    .option('--raw', 'pass terminal control sequences through')
    .option('--json', 'print NDJSON frames with output as base64')
    .action(
      (id: string, options: ReadOptions & { follow?: boolean; stage?: string; raw?: boolean }) =>
        using(context, { ...READ, from: options }, async ({ client }) => {
          const run = await bodyOf(client.v1.runs[':id'].$get({ param: { id } }))
          const progress = createProgress(context.io, {
            passThrough: true,
            quiet: true,
            raw: options.raw ?? false,
          })
          const live = options.follow ?? false
          for await (const frame of followRun(client, { run: run.id, after: 0, live })) {
            if (frame.type !== 'output') continue
            if (options.stage !== undefined && frame.step.split('.')[0] !== options.stage) continue
            if (options.json === true) printJson(context.io, frame)
            else await progress.show(frame)
          }
          await progress.end()
        }),
    )
}
