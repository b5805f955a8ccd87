/** Runs commands in a sandbox for one stage attempt: output spooled, both ends in the timeline. */
import { open } from 'node:fs/promises'
import {
  type Artifacts,
  openSpool,
  recordOutput,
  resumeSpool,
  type SpooledOutput,
  type SpooledStream,
  storeOutput,
} from '../artifacts/index.ts'
import type { Redactor } from '../events/index.ts'
import {
  type NewEvent,
  OpenExecError,
  type RunId,
  SandboxId,
  type StepId,
} from '../schema/index.ts'
import type { CommandKeeper, Sandbox } from '../sandbox/index.ts'
import {
  type Db,
  endCommand,
  findCommand,
  insertCommand,
  type RunningCommand,
  type State,
} from '../state/index.ts'
import type { CommandOutcome, CommandRequest, KeptOutput } from './action.ts'
import { attempt, Attempted, completedEvent, startedEvent } from './command-attempt.ts'

export interface CommandDeps {
  state: State
  artifacts: Artifacts
  redactor: Redactor
  runId: RunId
  stepId: StepId
  stage: string
  attempt: number
  /** The run's `output/` directory. */
  outputDir: string
  /** Bytes of output kept of one command. */
  outputBytesMax: number
  /** Whether another process can go on with a command when this one dies. */
  keeps: boolean
  /** Epoch `ms` */
  now(): number
  sandbox(): Promise<Sandbox>
  /** Appends within the transaction it is given; stage and attempt are filled in. */
  append(tx: Db, events: readonly NewEvent[]): void
  signal: AbortSignal
}

/**
 * Throws `sandbox_lost`, `cancelled` and what opening a sandbox throws; a missing program is an
 * outcome. Where commands are kept, one that an earlier process of the same step has begun is gone on
 * with: not a byte of its output is lost or doubled, and its end is told once.
 */
export async function runCommandIn(
  deps: CommandDeps,
  request: CommandRequest,
): Promise<CommandOutcome> {
  const { state, signal, stepId } = deps
  const sandbox = await deps.sandbox()
  const step = `${deps.stage}.${deps.attempt}.${request.name}`
  const before = deps.keeps ? findCommand(state.db, stepId, request.name) : undefined
  if (before !== undefined) refuseOther(before, sandbox)
  const options = {
    outputDir: deps.outputDir,
    step,
    maxBytes: deps.outputBytesMax,
    newFilter: (covered: number) => deps.redactor.stream(covered),
  }
  const { spool, from } =
    before === undefined
      ? { spool: await openSpool(options), from: undefined }
      : await resumeSpool(options)
  const told = Attempted.safeParse(before?.result).data
  if (told !== undefined) return outcomeOf(told, await spool.finish())
  const { argv, cwd, env, timeoutMs } = request
  const end = endOnce((ran) => finish(deps, { request, step, spool, ran }))
  try {
    if (!deps.keeps) state.transact((tx) => deps.append(tx, [startedEvent(request, step)]))
    const ran = await attempt(sandbox, {
      argv,
      env,
      cwd,
      timeoutMs,
      signal,
      stdin: new Uint8Array(),
      onOutput: (stream, chunk) => spool.write(stream, chunk),
      keeper: deps.keeps
        ? keeperOf(deps, { request, step, sandbox, before, from, end })
        : undefined,
    })
    return await end(ran)
  } catch (error) {
    await spool.finish().catch(() => {})
    throw error
  }
}

interface Keeping {
  request: CommandRequest
  step: string
  sandbox: Sandbox
  before: RunningCommand | undefined
  from: { stdout: number; stderr: number } | undefined
  end(ran: Attempted): Promise<CommandOutcome>
}

/** Says in the database which command runs where, and has its end stored before it is forgotten. */
function keeperOf(deps: CommandDeps, keeping: Keeping): CommandKeeper {
  const { state, runId, stepId } = deps
  const { request, step, sandbox, before, from, end } = keeping
  const startedAt = deps.now()
  return {
    goOn: before && {
      channel: before.channel,
      ageMs: Math.max(0, startedAt - before.startedAt),
      heard: from,
    },
    onStarted(channel) {
      if (before !== undefined) return
      const sandboxId = SandboxId.parse(sandbox.id)
      state.transact((tx) => {
        insertCommand(tx, { stepId, name: request.name, runId, sandboxId, channel, startedAt })
        deps.append(tx, [startedEvent(request, step)])
      })
    },
    onEnded: async (result) => void (await end({ result, startable: true })),
  }
}

/** The pipe of one sandbox knows nothing of the commands of another. */
function refuseOther({ sandboxId, name }: RunningCommand, { id }: Sandbox): void {
  if (sandboxId === id) return
  throw new OpenExecError(
    'sandbox_lost',
    `Cannot go on with command "${name}": it runs in sandbox "${sandboxId}", and this one is "${id}"`,
    { details: { reason: 'sandbox_lost' } },
  )
}

/** The end of a command is stored by whoever hears of it first. */
function endOnce(
  work: (ran: Attempted) => Promise<CommandOutcome>,
): (ran: Attempted) => Promise<CommandOutcome> {
  let ended: Promise<CommandOutcome> | undefined
  return (ran) => (ended ??= work(ran))
}

interface Finishing {
  request: CommandRequest
  step: string
  spool: Awaited<ReturnType<typeof openSpool>>
  ran: Attempted
}

async function finish(
  deps: CommandDeps,
  { request, step, spool, ran }: Finishing,
): Promise<CommandOutcome> {
  const { state, artifacts, runId, stepId } = deps
  const spooled = await spool.finish()
  const stored = await storeOutput(artifacts, spooled)
  state.transact((tx) => {
    recordOutput(artifacts, tx, { runId, stepId, name: step, stored })
    deps.append(tx, [completedEvent(ran, step, spooled)])
    if (deps.keeps) endCommand(tx, { stepId, name: request.name }, ran)
  })
  return outcomeOf(ran, spooled)
}

function outcomeOf(ran: Attempted, { stdout, stderr }: SpooledOutput): CommandOutcome {
  return { ...ran, stdout: kept(stdout), stderr: kept(stderr) }
}

function kept({ file, sha256, bytes, truncated, tail }: SpooledStream): KeptOutput {
  return {
    sha256,
    bytes,
    truncated,
    tail,
    read: (maxBytes) => readBeginning(file, maxBytes),
  }
}

async function readBeginning(file: string, maxBytes: number): Promise<Uint8Array> {
  const handle = await open(file, 'r')
  try {
    const { size } = await handle.stat()
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(Math.min(size, maxBytes)), 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}
