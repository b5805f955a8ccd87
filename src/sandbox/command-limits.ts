/**
 * One command under the orchestrator's own clock. The supervisor enforces the limits inside; this
 * is for the case that it does not: a command that outlives its time or its cancellation by more
 * than a moment means the sandbox cannot be trusted to stop it, and the whole of it goes.
 */
import { OpenExecError, type ExecResult } from '../schema/index.ts'
import type { Command, CommandHandlers, CommandResult } from './pipe-command.ts'
import type { Pipe } from './pipe.ts'
import type { ExecRequest } from './sandbox.ts'

/** What the supervisor has after the order to kill. */
const KILL_GRACE_MS = 2_000
/** What it has after the time of a command is over, and a slow reader to take the rest. */
const TIMEOUT_GRACE_MS = 5_000
const TIMEOUT_MAX_MS = 2 ** 31 - 1 - TIMEOUT_GRACE_MS

export interface CommandLimitsOptions {
  /** The command does not end. Who hears it ends the sandbox. */
  onStuck(error: OpenExecError): void
}

/**
 * Throws what `Pipe.start` throws, and `cancelled` once an aborted command and all it started are
 * dead.
 */
export async function runCommand(
  pipe: Pipe,
  request: ExecRequest,
  { onStuck }: CommandLimitsOptions,
): Promise<ExecResult> {
  const { signal, keeper } = request
  const timeoutMs = Math.min(Math.max(1, request.timeoutMs), TIMEOUT_MAX_MS)
  // One that goes on is there whatever the caller wants by now, and is ended by its kill.
  if (signal.aborted && keeper?.goOn === undefined) throw cancelled(request)
  const ageMs = keeper?.goOn?.ageMs ?? 0
  const resultOf = (ended: CommandResult): ExecResult => {
    const { exitCode, timedOut, durationMs, stdoutBytes, stderrBytes, outOfMemory } = ended
    return {
      exitCode,
      signal: ended.signal,
      timedOut: timedOut || ending.isKilled,
      durationMs: durationMs + ageMs,
      stdoutBytes,
      stderrBytes,
      outOfMemory,
    }
  }
  const command = begin(pipe, request, {
    timeoutMs,
    onEnd: async (ended) => {
      if (signal.aborted) return
      ending.over()
      await keeper?.onEnded(resultOf(ended))
    },
  })
  const ending = new Ending(command, () => onStuck(stuck(request)))
  const abort = () => ending.kill()
  if (signal.aborted) abort()
  else signal.addEventListener('abort', abort, { once: true })
  const leftMs = Math.max(0, timeoutMs - ageMs)
  const overdue = setTimeout(() => ending.kill(), leftMs + TIMEOUT_GRACE_MS)
  try {
    keeper?.onStarted(command.channel)
    const result = await command.result
    if (signal.aborted && !ending.isOver) throw cancelled(request)
    return resultOf(result)
  } catch (error) {
    // Before its request is on its way, if it is the keeper that failed.
    ending.kill()
    throw error
  } finally {
    clearTimeout(overdue)
    ending.settle()
    signal.removeEventListener('abort', abort)
  }
}

function begin(
  pipe: Pipe,
  request: ExecRequest,
  { timeoutMs, onEnd }: { timeoutMs: number; onEnd(ended: CommandResult): Promise<void> },
): Command {
  const { argv, env, cwd, stdin, keeper } = request
  const handlers: CommandHandlers = {
    onOutput: (stream, chunk) => request.onOutput(stream, chunk),
    onEnd,
  }
  if (keeper?.goOn !== undefined) {
    const { channel, heard } = keeper.goOn
    // What is there once more of a whole output, is dropped by who has it.
    const held = pipe.hello.live.find((one) => one.channel === channel)
    const stdoutBytes = heard?.stdout ?? held?.stdout.from ?? 0
    const stderrBytes = heard?.stderr ?? held?.stderr.from ?? 0
    return pipe.resume(channel, { ...handlers, stdoutBytes, stderrBytes })
  }
  return pipe.start(
    {
      argv,
      env,
      cwd,
      stdin: stdin.length === 0 ? 'none' : stdin,
      terminal: undefined,
      timeoutMs,
      outputBytesMax: 0,
      keepDescendants: false,
    },
    handlers,
  )
}

/** An order to kill that is obeyed in time, or told. */
class Ending {
  isKilled = false
  /** It has ended by itself; what is left is to store it. */
  isOver = false
  #command: Command
  #onStuck: () => void
  #timer: NodeJS.Timeout | undefined

  constructor(command: Command, onStuck: () => void) {
    this.#command = command
    this.#onStuck = onStuck
  }

  over(): void {
    this.isOver = true
    this.settle()
  }

  kill(): void {
    if (this.isKilled || this.isOver) return
    this.isKilled = true
    this.#command.kill()
    this.#timer = setTimeout(this.#onStuck, KILL_GRACE_MS)
  }

  settle(): void {
    clearTimeout(this.#timer)
  }
}

function stuck({ argv }: ExecRequest): OpenExecError {
  return new OpenExecError(
    'sandbox_lost',
    `Cannot stop command "${argv[0]}": the sandbox did not confirm it within ${KILL_GRACE_MS} ms`,
    { details: { reason: 'sandbox_lost' } },
  )
}

function cancelled({ argv, signal }: ExecRequest): OpenExecError {
  return new OpenExecError('cancelled', `Cancelled command "${argv[0]}" in the sandbox`, {
    cause: signal.reason,
  })
}
