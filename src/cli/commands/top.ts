/** top: what goes on just now, looked at again and again. */
import type { Command } from 'commander'
import { setTimeout as wait } from 'node:timers/promises'
import { type Run, TERMINAL_STATUSES } from '../../schema/index.ts'
import { bodyOf, type Client } from '../client.ts'
import {
  type CommandContext,
  READ,
  type StateOptions,
  using,
  wholeNumber,
  withStateOptions,
} from '../command-context.ts'
import type { Io } from '../io.ts'
import { age, duration, oneLine, printTable, verdictMark } from '../print.ts'

const LOOK_MS = 1000
const CLEAR = '\u001b[2J\u001b[H'

export function registerTop(program: Command, context: CommandContext): void {
  withStateOptions(
    program
      .command('top')
      .description('Show what waits and runs, refreshed until Ctrl-C; once where nobody watches.'),
  )
    .option('-n, --limit <count>', 'how many runs', '20')
    .addHelpText('after', '\nExample:\n  openexec top --server https://openexec.example.com')
    .action((options: StateOptions & { limit: string }) => {
      const limit = wholeNumber('--limit', options.limit, { min: 1, max: 1000 })
      return using(context, { ...READ, from: options }, async ({ client }) => {
        const { io } = context
        for (;;) {
          const lines = await look(context, client, limit)
          if (io.stdoutIsTerminal) await io.write(Buffer.from(CLEAR))
          for (const line of lines) io.out(line)
          if (!io.stdoutIsTerminal || io.signal.aborted) return
          await wait(LOOK_MS, undefined, { signal: io.signal }).catch(() => {})
          if (io.signal.aborted) return
        }
      })
    })
}

async function look(context: CommandContext, client: Client, limit: number): Promise<string[]> {
  const queue = await bodyOf(client.v1.queue.$get())
  const { runs } = await bodyOf(client.v1.runs.$get({ query: { limit: String(limit) } }))
  const open = runs.filter(({ status }) => !TERMINAL_STATUSES.some((end) => end === status))
  const ended = runs.filter((run) => !open.includes(run))
  const lines: string[] = []
  const io: Pick<Io, 'out' | 'colour'> = {
    out: (line) => lines.push(line),
    colour: context.io.colour,
  }
  const capacity = queue.capacity === 0 ? '' : ` of ${queue.capacity}`
  lines.push(`${queue.running}${capacity} running, ${queue.waiting} waiting`, '')
  printTable(
    { ...context.io, ...io },
    ['RUN', 'STATUS', 'BLUEPRINT', 'CREATED', 'TOOK', 'TASK'],
    [...open, ...ended].map((run) => rowOf(context, run)),
  )
  return lines
}

function rowOf({ io, now }: CommandContext, run: Run): string[] {
  const { id, status, blueprint, createdAt, startedAt, endedAt, request } = run
  const took = startedAt === undefined ? '' : duration((endedAt ?? now()) - startedAt)
  const what = request.task === '' ? (request.command ?? []).join(' ') : request.task
  return [
    id,
    `${verdictMark(io, status)} ${status}`,
    oneLine(blueprint, 30),
    age(now(), createdAt),
    took,
    oneLine(what, 50),
  ]
}
