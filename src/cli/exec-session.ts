/**
 * A command in a sandbox with this terminal around it: what is typed or piped goes in, what it
 * writes comes out, and its exit code becomes this program's own.
 */
import {
  decodeExecFrames,
  ErrorBody,
  EXEC_FROM,
  ExecResult,
  type ExecStart,
  OpenExecError,
  readExecJson,
} from '../schema/index.ts'
import { errorOf } from './client.ts'
import { openExecInput, type Keyboard } from './exec-input.ts'
import type { Io } from './io.ts'
import { passStream } from './progress.ts'

export interface SessionOptions {
  io: Io
  keyboard: Keyboard
  fetch: typeof fetch
  /** Address of the route. */
  url: string
  /** Passes terminal control sequences through. */
  raw: boolean
}

const TIMED_OUT_EXIT = 124
const SIGNALLED_EXIT = 128
const SIGNALS = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGILL',
  'SIGTRAP',
  'SIGABRT',
  'SIGBUS',
  'SIGFPE',
].concat(['SIGKILL', 'SIGUSR1', 'SIGSEGV', 'SIGUSR2', 'SIGPIPE', 'SIGALRM', 'SIGTERM'])

/** Gives the command's own exit code, 124 when its time was over, 128 + n for signal n. */
export async function runSession(start: ExecStart, options: SessionOptions): Promise<number> {
  const { io, keyboard, url } = options
  const input = openExecInput(start, keyboard)
  const stop = new AbortController()
  const interrupt = () => {
    if (io.readerIsGone()) stop.abort()
    else input.signal(/SIG[A-Z]+/.exec(String(io.signal.reason))?.[0] ?? 'SIGINT')
  }
  io.signal.addEventListener('abort', interrupt, { once: true })
  if (start.terminal !== undefined) keyboard.setRaw()
  try {
    // The body goes on while the answer comes.
    const init = { method: 'POST', body: input.body, duplex: 'half' as const, signal: stop.signal }
    const answer = await options.fetch(url, init)
    if (!answer.ok || answer.body === null) throw errorOf(answer.status, await answer.text())
    return exitCodeOf(await show(answer.body, options))
  } catch (cause) {
    if (io.readerIsGone())
      throw new OpenExecError('cancelled', 'Nobody reads the output', { cause })
    throw cause
  } finally {
    io.signal.removeEventListener('abort', interrupt)
    input.close()
  }
}

async function show(body: AsyncIterable<Uint8Array>, options: SessionOptions): Promise<ExecResult> {
  const { io, raw } = options
  const out = passStream(io.write, io.stdoutIsTerminal && !raw)
  const err = passStream(io.writeError, io.stderrIsTerminal && !raw)
  for await (const { type, payload } of decodeExecFrames(body)) {
    if (type === EXEC_FROM.stdout) await out.write(payload)
    else if (type === EXEC_FROM.stderr) await err.write(payload)
    else {
      await out.end()
      await err.end()
      if (type === EXEC_FROM.exited) return readExecJson(ExecResult, payload)
      const { code, message, hint, details } = readExecJson(ErrorBody, payload)
      throw new OpenExecError(code, message, {
        ...(hint !== undefined && { hint }),
        ...(details !== undefined && { details }),
      })
    }
  }
  throw new OpenExecError('sandbox_lost', 'Cannot follow the command: its stream was cut off')
}

function exitCodeOf({ exitCode, signal, timedOut }: ExecResult): number {
  if (timedOut) return TIMED_OUT_EXIT
  if (exitCode !== null) return exitCode
  const number = SIGNALS.indexOf(signal ?? '') + 1
  return SIGNALLED_EXIT + (number === 0 ? 9 : number)
}
