/** context, bench context: what an agent would read first, and how good that choice is. */
import type { Command } from 'commander'
import { resolve } from 'node:path'
import type { ContextPack, RecallReport } from '../../schema/index.ts'
import { bodyOf } from '../client.ts'
import {
  type CommandContext,
  type StateOptions,
  using,
  wholeNumber,
  withStateOptions,
} from '../command-context.ts'
import { oneLine, plural, printJson, printTable } from '../print.ts'
import { safeText } from '../terminal.ts'

export function registerContext(program: Command, context: CommandContext): void {
  registerPack(program, context)
  registerBench(program, context)
}

interface PackOptions extends StateOptions {
  ref?: string
  includeDirty?: boolean
  policy?: string
  budget?: string
  log?: string[]
  since?: string
  list?: boolean
  json?: boolean
}

const PACK_HELP = `
Examples:
  openexec context "Login fails when the name has a plus"      what to read, as text for any chat
  openexec context "Fix the failing test" --log test.log       stack traces lead to files first
  openexec context "Review this" --since main --list           only which files, and why

Secrets are replaced, files that are secrets by their name and files policy keeps from being read
are left out. The same commit, task and options give the same pack_hash. What is known of files is
kept in context-index.db of the state directory, so the next pack is quicker.`

const LOG_BYTES_MAX = 1024 * 1024
const CREATE = { state_needed: 'create', launch: 'here' } as const

function registerPack(program: Command, context: CommandContext): void {
  const command = program
    .command('context')
    .argument('<task>', 'what is to be done, in words')
    .summary('Print what an agent would read first.')
    .description('Print a context pack: the parts of the repository that fit a task, with reasons.')
    .option('--ref <ref>', 'commit, branch or tag (default: HEAD)')
    .option('--include-dirty', 'with uncommitted changes')
    .option('--policy <file>', 'policy file (default: openexec.policy.yaml of the repository)')
    .option('--budget <tokens>', 'tokens the pack may have', '12000')
    .option('--log <file>', 'output of what failed; may be repeated', collect)
    .option('--since <ref>', 'show what changed since this commit, too')
    .option('--list', 'only files, lines and reasons')
    .option('--json', 'print the pack as one JSON object')
  withStateOptions(command)
    .addHelpText('after', PACK_HELP)
    .action((task: string, options: PackOptions) => printPack(context, task, options))
}

async function printPack(
  context: CommandContext,
  task: string,
  options: PackOptions,
): Promise<void> {
  const { io } = context
  const budgetTokens = wholeNumber('--budget', options.budget ?? '', { min: 500, max: 200_000 })
  const logs: { name: string; text: string }[] = []
  for (const name of options.log ?? []) {
    const content = await io.readFile(resolve(io.cwd, name), LOG_BYTES_MAX)
    logs.push({ name, text: new TextDecoder().decode(content) })
  }
  await using(context, { ...CREATE, from: options }, async ({ client, repo }) => {
    const json = {
      task,
      repo: repo ?? io.cwd,
      includeDirty: options.includeDirty ?? false,
      budgetTokens,
      logs,
      ...(options.ref !== undefined && { ref: options.ref }),
      ...(options.since !== undefined && { since: options.since }),
      ...(options.policy !== undefined && { policyFile: resolve(io.cwd, options.policy) }),
    }
    const { pack, text } = await bodyOf(client.v1.context.$post({ json }))
    if (options.json === true) return printJson(io, pack)
    if (options.list === true) return listPack(context, pack)
    io.out(io.stdoutIsTerminal ? safeText(text) : text)
  })
}

function listPack({ io }: CommandContext, pack: ContextPack): void {
  printTable(
    io,
    ['KIND', 'LINES', 'TOKENS', 'PATH', 'WHY'],
    pack.items.map(({ kind, start, end, tokens, path, reasons }) => [
      kind,
      `${start}-${end}`,
      String(tokens),
      oneLine(path, 80),
      oneLine(reasons.join('; '), 80),
    ]),
  )
  const tokens = pack.items.reduce((sum, item) => sum + item.tokens, 0)
  const { omitted, redactions, pack_hash: hash } = pack
  io.err(
    `${tokens} of ${pack.budget_tokens} tokens, ${omitted.length} left out, ${plural(redactions.length, 'secret')} replaced, pack ${hash.slice(0, 12)}`,
  )
}

const BENCH_HELP = `
Each of the last commits is a task: its message is asked for in the tree before it, and the files it
changed should be among the first ten. Merges and commits of more than 20 files are passed over.

Example:
  openexec bench context --repo ~/src/project --commits 100 --baseline`

function registerBench(program: Command, context: CommandContext): void {
  const bench = program.command('bench').description('Measure OpenExec on your own repository.')
  const command = bench
    .command('context')
    .description('Measure how well context packs find the files of past commits.')
    .option('--ref <ref>', 'commit, branch or tag to go back from (default: HEAD)')
    .option('--commits <count>', 'commits to try', '60')
    .option('--baseline', 'rank by plain words too, to compare with')
    .option('--json', 'print one JSON object')
  withStateOptions(command)
    .addHelpText('after', BENCH_HELP)
    .action((options: BenchOptions) => measure(context, options))
}

interface BenchOptions extends StateOptions {
  ref?: string
  commits?: string
  baseline?: boolean
  json?: boolean
}

async function measure(context: CommandContext, options: BenchOptions): Promise<void> {
  const { io } = context
  const commits = wholeNumber('--commits', options.commits ?? '', { min: 1, max: 1000 })
  await using(context, { ...CREATE, from: options }, async ({ client, repo }) => {
    const report = await bodyOf(
      client.v1.context.recall.$post({
        json: {
          repo: repo ?? io.cwd,
          commits,
          baseline: options.baseline ?? false,
          ...(options.ref !== undefined && { ref: options.ref }),
        },
      }),
    )
    if (options.json === true) return printJson(io, report)
    printRecall(context, report)
  })
}

function printRecall({ io }: CommandContext, report: RecallReport): void {
  const row = (name: string, { recall_at_10: recall, mrr }: RecallReport['ranked']) => [
    name,
    recall.toFixed(3),
    mrr.toFixed(3),
  ]
  const { plain_words: plain, ranked } = report
  printTable(
    io,
    ['RANKING', 'RECALL@10', 'MRR'],
    [row(report.ranker_version, ranked), ...(plain === undefined ? [] : [row('words', plain)])],
  )
  io.err(
    `${plural(report.commits, 'commit')}, at most ${plural(report.files, 'file')}, ${report.median_ms} ms for one tree (median)`,
  )
}

function collect(value: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), value]
}
