/** Stays with a run that this process executes until it ends, and says how it ended. */
import type { Run, RunResult } from '../schema/index.ts'
import { bodyOf, type Client } from './client.ts'
import type { CommandContext } from './command-context.ts'
import { followRun } from './follow.ts'
import { printJson } from './print.ts'
import { createProgress } from './progress.ts'
import { summaryLines } from './summary.ts'

export interface AttachOptions {
  json?: boolean
  quiet?: boolean
  raw?: boolean
}

interface Attached {
  client: Client
  run: Run
  /** `seq` of the last event that was there before. */
  after: number
  /** Commands of these attempts, each `<stage>.<attempt>`, wrote their output before. */
  seen: ReadonlySet<string>
}

/** A run that shows nothing for longer says why. */
const PATIENCE_MS = 3000

export async function attach(
  context: CommandContext,
  { client, run, after, seen }: Attached,
  options: AttachOptions,
): Promise<void> {
  const { io } = context
  const cancel = () => {
    io.err(`Cancelling ${run.id} …`)
    // The run is executed here and stops by the signal itself; elsewhere this is what stops it.
    client.v1.runs[':id'].cancel.$post({ param: { id: run.id } }).catch(() => {})
  }
  if (io.signal.aborted) cancel()
  io.signal.addEventListener('abort', cancel, { once: true })
  const { json = false, quiet = false, raw = false } = options
  const isCommand = run.blueprint === 'command'
  const passThrough = isCommand && !json
  const progress = createProgress(io, { passThrough, quiet, raw })
  const reading = new AbortController()
  const frames = followRun(client, {
    run: run.id,
    after,
    live: true,
    // Of a large output, what nobody is shown would still have to be read.
    output: passThrough || !quiet,
    signal: reading.signal,
  })
  const patience = setTimeout(() => quiet || io.err('Preparing the workspace …'), PATIENCE_MS)
  try {
    for await (const frame of frames) {
      if (frame.type === 'output' && seen.has(attemptOf(frame.step))) continue
      if (frame.type === 'event' && frame.event.type === 'workspace_created') clearTimeout(patience)
      await progress.show(frame)
    }
    await progress.end()
  } finally {
    clearTimeout(patience)
    io.signal.removeEventListener('abort', cancel)
  }
  const result = await bodyOf(client.v1.runs[':id'].result.$get({ param: { id: run.id } }))
  report(context, result, { json, quiet, isCommand })
}

/** `<stage>.<attempt>.<name>` → `<stage>.<attempt>` */
export function attemptOf(step: string): string {
  return step.split('.').slice(0, 2).join('.')
}

function report(
  { io, exit }: CommandContext,
  result: RunResult,
  how: { json: boolean; quiet: boolean; isCommand: boolean },
): void {
  exit(result.exit_code)
  if (how.json) return printJson(io, result)
  if (how.quiet && result.status === 'succeeded') return
  const lines = summaryLines(io, result)
  // The stdout of a command is its own.
  for (const line of lines) (how.isCommand ? io.err : io.out)(line)
}
