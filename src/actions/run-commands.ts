/** Runs commands in a sandbox for one stage attempt: output spooled, both ends in the timeline. */
import { open } from 'node:fs/promises'
import {
  type Artifacts,
  openSpool,
  recordOutput,
  type SpooledStream,
  storeOutput,
} from '../artifacts/index.ts'
import type { Redactor } from '../events/index.ts'
import {
  type ExecResult,
  type NewEvent,
  OpenExecError,
  type RunId,
  type StepId,
} from '../schema/index.ts'
import type { Sandbox } from '../sandbox/index.ts'
import type { Db, State } from '../state/index.ts'
import type { CommandOutcome, CommandRequest, KeptOutput } from './action.ts'
import { shortArgv } from './gate.ts'
import { soundsOffline } from './network-hint.ts'

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
  sandbox(): Promise<Sandbox>
  /** Appends within the transaction it is given; stage and attempt are filled in. */
  append(tx: Db, events: readonly NewEvent[]): void
  signal: AbortSignal
}

/** Throws `sandbox_lost`, `cancelled` and what opening a sandbox throws; a missing program is an outcome. */
export async function runCommandIn(
  deps: CommandDeps,
  request: CommandRequest,
): Promise<CommandOutcome> {
  const { state, artifacts, signal } = deps
  const sandbox = await deps.sandbox()
  const step = `${deps.stage}.${deps.attempt}.${request.name}`
  const spool = await openSpool({
    outputDir: deps.outputDir,
    step,
    maxBytes: deps.outputBytesMax,
    newFilter: () => deps.redactor.stream(),
  })
  const { argv, cwd, env, timeoutMs } = request
  let ran: Attempted
  try {
    state.transact((tx) => deps.append(tx, [startedEvent(request, step)]))
    ran = await attempt(sandbox, {
      argv,
      env,
      cwd,
      timeoutMs,
      signal,
      stdin: new Uint8Array(),
      onOutput: (stream, chunk) => spool.write(stream, chunk),
    })
  } catch (error) {
    await spool.finish().catch(() => {})
    throw error
  }
  const spooled = await spool.finish()
  const stored = await storeOutput(artifacts, spooled)
  const { runId, stepId } = deps
  state.transact((tx) => {
    recordOutput(artifacts, tx, { runId, stepId, name: step, stored })
    deps.append(tx, [completedEvent(ran, step, spooled)])
  })
  return { ...ran, stdout: kept(spooled.stdout), stderr: kept(spooled.stderr) }
}

function startedEvent({ argv, cwd, timeoutMs }: CommandRequest, step: string): NewEvent {
  return {
    type: 'command_started',
    payload: { ...shortArgv(argv), cwd, timeout_ms: timeoutMs },
    volatile: { step },
  }
}

function completedEvent(
  { result, startable }: Attempted,
  step: string,
  { stdout, stderr }: { stdout: SpooledStream; stderr: SpooledStream },
): NewEvent {
  return {
    type: 'command_completed',
    payload: {
      started: startable,
      exit_code: result.exitCode,
      signal: result.signal,
      timed_out: result.timedOut,
      out_of_memory: result.outOfMemory,
    },
    volatile: {
      step,
      duration_ms: Math.round(result.durationMs),
      stdout: { sha256: stdout.sha256, bytes: stdout.bytes },
      stderr: { sha256: stderr.sha256, bytes: stderr.bytes },
      ...(result.exitCode !== 0 && soundsOffline([stdout.tail, stderr.tail]) && { offline: true }),
    },
  }
}

interface Attempted {
  result: ExecResult
  startable: boolean
}

const NEVER_RAN: ExecResult = {
  exitCode: null,
  signal: null,
  timedOut: false,
  durationMs: 0,
  stdoutBytes: 0,
  stderrBytes: 0,
  outOfMemory: false,
}

async function attempt(
  sandbox: Sandbox,
  request: Parameters<Sandbox['exec']>[0],
): Promise<Attempted> {
  try {
    return { result: await sandbox.exec(request), startable: true }
  } catch (error) {
    if (error instanceof OpenExecError && error.code === 'command_not_startable')
      return { result: NEVER_RAN, startable: false }
    throw error
  }
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
