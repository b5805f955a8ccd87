/**
 * One command of a client, frame by frame in both directions. The client's silence costs nothing;
 * its end before the command's kills the command, so that nothing runs for nobody.
 */
import type { InteractiveCommand, InteractiveSandbox } from '../sandbox/index.ts'
import {
  decodeExecFrames,
  encodeExecFrame,
  EXEC_FROM,
  EXEC_TO,
  ExecSignal,
  ExecStart,
  OpenExecError,
  readExecJson,
  TerminalSize,
  toErrorBody,
} from '../schema/index.ts'

export interface ExecOutput {
  /** Resolves when the client has room for more. */
  write(frame: Uint8Array<ArrayBuffer>): Promise<unknown>
  /** Aborts when the client is gone. */
  signal: AbortSignal
}

type Use = (
  work: (sandbox: InteractiveSandbox) => Promise<void>,
  signal: AbortSignal,
) => Promise<void>
type Frames = AsyncGenerator<{ type: number; payload: Buffer }, void, undefined>

/** Never throws: what goes wrong is told in the last frame. */
export async function serveCommand(
  input: AsyncIterable<Uint8Array>,
  output: ExecOutput,
  use: Use,
): Promise<void> {
  const frames = decodeExecFrames(input)
  try {
    const start = await readStart(frames)
    await use((sandbox) => run(sandbox, { start, frames, output }), output.signal)
  } catch (error) {
    await output.write(encodeExecFrame(EXEC_FROM.failed, toErrorBody(error)))
  } finally {
    // Not waited for: a client that has heard the end need not say anything more.
    void frames.return().catch(() => {})
  }
}

async function readStart(frames: Frames): Promise<ExecStart> {
  const first = await frames.next()
  if (first.done !== true && first.value.type === EXEC_TO.start)
    return readExecJson(ExecStart, first.value.payload)
  throw new OpenExecError('bad_request', 'Cannot run a command: the stream does not begin with one')
}

async function run(
  sandbox: InteractiveSandbox,
  { start, frames, output }: { start: ExecStart; frames: Frames; output: ExecOutput },
): Promise<void> {
  const { argv, env, cwd, timeoutMs, stdin, terminal } = start
  const command = sandbox.start({
    argv,
    env,
    cwd,
    timeoutMs,
    stdin: stdin ? 'open' : 'none',
    terminal,
    onOutput: async (stream, chunk) =>
      void (await output.write(encodeExecFrame(EXEC_FROM[stream], chunk))),
  })
  const gone = () => command.kill()
  output.signal.addEventListener('abort', gone, { once: true })
  let wrong: Error | undefined
  const feeding = feed(frames, command, { hasInput: stdin, hasTerminal: terminal !== undefined })
  feeding.catch((error: unknown) => {
    wrong = error instanceof Error ? error : new Error(String(error))
    command.kill()
  })
  try {
    const result = await command.result
    if (wrong !== undefined) throw wrong
    const { exitCode, signal, timedOut, outOfMemory, durationMs } = result
    const { stdoutBytes, stderrBytes } = result
    const told = { exitCode, signal, timedOut, outOfMemory, durationMs, stdoutBytes, stderrBytes }
    await output.write(encodeExecFrame(EXEC_FROM.exited, told))
  } finally {
    output.signal.removeEventListener('abort', gone)
  }
}

/** What does not fit the command is the client's mistake, not a reason to break the pipe. */
async function feed(
  frames: Frames,
  command: InteractiveCommand,
  { hasInput, hasTerminal }: { hasInput: boolean; hasTerminal: boolean },
): Promise<void> {
  let ended = !hasInput
  for (;;) {
    const next = await frames.next()
    if (next.done === true) break
    const { type, payload } = next.value
    if (type === EXEC_TO.stdin && !ended) await command.write(payload)
    else if (type === EXEC_TO.end && !ended) {
      ended = true
      await command.end()
    } else if (type === EXEC_TO.resize && hasTerminal)
      command.resize(readExecJson(TerminalSize, payload))
    else if (type === EXEC_TO.signal) command.signal(readExecJson(ExecSignal, payload).name)
    else throw new OpenExecError('bad_request', `Cannot use frame ${type} of a command here`)
  }
  if (!ended) await command.end()
}
