/**
 * The one door into a sandbox: commands and files over the pipe to its supervisor. It owns the
 * conversation, not the container: when it ends with an error, whoever opened it kills the
 * container, and after a crash opens another pipe with the same key and goes on where it stopped.
 */
import { OpenExecError } from '../schema/index.ts'
import { attachLink } from './pipe-attach.ts'
import {
  type Command,
  type CommandHandlers,
  type CommandResult,
  resumePayload,
  RunningCommand,
} from './pipe-command.ts'
import { openDoor } from './pipe-door.ts'
import { fileDoor, type PipeFiles } from './pipe-file-door.ts'
import type { Link, PipeEnds } from './pipe-link.ts'
import { execPayload, type Hello } from './protocol-messages.ts'
import { EXEC_ARGS_MAX, EXEC_BYTES_MAX, EXEC_VARIABLES_MAX, TO } from './protocol.ts'
import type { OnEgress } from './sandbox.ts'

export interface PipeOptions {
  /** 64 lower-case hex digits: a secret of this sandbox, the same for every attach to it. */
  key: string
  /** 32 random bytes of this attach alone. */
  marker: Uint8Array
  /** `ms` without a word from here after which the sandbox ends itself; 0 is never. */
  orphanTimeoutMs: number
  /** `ms` the supervisor has for its greeting. */
  openTimeoutMs: number
  signal: AbortSignal
  /** `ms` of a monotonic clock. */
  now(): number
}

export interface PipeExec {
  argv: readonly string[]
  /** The whole environment of the command. */
  env: Readonly<Record<string, string>>
  cwd: string
  /** Bytes given whole, then the end; `open`: by `Command.write` and `end`; `none`: empty. */
  stdin: Uint8Array | 'open' | 'none'
  terminal: { rows: number; columns: number } | undefined
  /** `ms`, kept inside the sandbox; 0 is no limit. */
  timeoutMs: number
  /** Bytes of both streams after which the command is killed; 0 is no limit. */
  outputBytesMax: number
  /** Leaves what the command started running after its own end. */
  keepDescendants: boolean
}

export interface Pipe extends PipeFiles {
  readonly hello: Hello
  /** Resolves once the pipe is over: with the error that ended it, with none where it was asked to end. */
  readonly ended: Promise<OpenExecError | undefined>
  /** Starts a command and leaves it to the caller. Throws `bad_request` for what cannot be asked. */
  start(request: PipeExec, handlers: CommandHandlers): Command
  /**
   * Runs a command to its end. Throws `command_not_startable`, `cancelled` on abort (all the command
   * started is dead then), `sandbox_lost`, `sandbox_protocol_error`.
   */
  exec(
    request: PipeExec,
    options: CommandHandlers & { signal: AbortSignal },
  ): Promise<CommandResult>
  /** Goes on with a command of `hello.live`, from the bytes the caller has dealt with. */
  resume(
    channel: number,
    options: CommandHandlers & { stdoutBytes: number; stderrBytes: number },
  ): Command
  /**
   * Listens on a port of the sandbox's loopback (0: any) and gives each connection to the handler;
   * resolves with the port. Asked again, the new handler takes over. No connection outlives the
   * pipe. Throws `sandbox_failed` where the sandbox cannot listen.
   */
  openDoor(port: number, onConnection: OnEgress): Promise<number>
  /** Tells the supervisor to end the sandbox; `ended` resolves when it has. */
  shutdown(): void
  /** Leaves the sandbox running; whatever waits here fails with `cancelled`. */
  close(): void
}

/** Attaches. Throws `sandbox_lost`, `sandbox_protocol_error`, `timed_out`, or the signal's reason. */
export async function openPipe(ends: PipeEnds, options: PipeOptions): Promise<Pipe> {
  const { link, hello } = await attachLink(ends, options)
  const start = (request: PipeExec, handlers: CommandHandlers) =>
    startCommand(link, { request, handlers, now: options.now })
  return {
    hello,
    ended: link.ended,
    start,
    exec: async (request, { signal, onOutput }) => {
      signal.throwIfAborted()
      const command = start(request, { onOutput })
      return await untilEnd(command, signal, request)
    },
    resume: (channel, given) => resumeCommand(link, { channel, given, hello, now: options.now }),
    ...fileDoor(link),
    openDoor: openDoor(link, hello),
    shutdown: () => link.shutdown(),
    close: () =>
      link.close(new OpenExecError('cancelled', 'The pipe into the sandbox was closed'), undefined),
  }
}

function startCommand(
  link: Link,
  { request, handlers, now }: { request: PipeExec; handlers: CommandHandlers; now(): number },
): Command {
  const [program = ''] = request.argv
  const payload = execPayload({ ...request, stdin: request.stdin !== 'none' })
  assertSendable(request, payload)
  const offsets = { input: 0, stdout: 0, stderr: 0 }
  const command = new RunningCommand({ link, handlers, program, now, offsets }, undefined)
  link.send(TO.exec, command.channel, payload)
  if (typeof request.stdin !== 'string') {
    // A command may well end without reading all of it.
    void command.write(request.stdin)
    void command.end()
  }
  return command
}

function assertSendable(request: PipeExec, payload: readonly Buffer[]): void {
  const texts = [request.cwd, ...request.argv, ...Object.entries(request.env).flat()]
  const bytes = payload.reduce((sum, part) => sum + part.length, 0)
  const wrong =
    request.argv[0] === undefined || request.argv[0] === ''
      ? 'it names no program'
      : texts.some((text) => text.includes('\0'))
        ? 'an argument, a variable or the directory holds a NUL'
        : !request.cwd.startsWith('/')
          ? `its directory "${request.cwd}" is not absolute`
          : bytes > EXEC_BYTES_MAX
            ? `arguments and environment are ${bytes} bytes, at most ${EXEC_BYTES_MAX} allowed`
            : tooMany(request)
  if (wrong !== undefined)
    throw new OpenExecError('bad_request', `Cannot run a command in the sandbox: ${wrong}`)
}

/** What the supervisor would take for a violation of the protocol. */
function tooMany({ argv, env }: PipeExec): string | undefined {
  const variables = Object.keys(env).length
  if (argv.length > EXEC_ARGS_MAX)
    return `it has ${argv.length} arguments, at most ${EXEC_ARGS_MAX} allowed`
  if (variables > EXEC_VARIABLES_MAX)
    return `it has ${variables} variables, at most ${EXEC_VARIABLES_MAX} allowed`
  return undefined
}

async function untilEnd(
  command: Command,
  signal: AbortSignal,
  { argv }: PipeExec,
): Promise<CommandResult> {
  const abort = () => command.kill()
  signal.addEventListener('abort', abort, { once: true })
  try {
    const result = await command.result
    if (!signal.aborted) return result
    throw new OpenExecError('cancelled', `Cancelled command "${argv[0]}" in the sandbox`, {
      cause: signal.reason,
    })
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

function resumeCommand(
  link: Link,
  options: {
    channel: number
    given: CommandHandlers & { stdoutBytes: number; stderrBytes: number }
    hello: Hello
    now(): number
  },
): Command {
  const { channel, given, hello, now } = options
  const live = hello.live.find((one) => one.channel === channel)
  if (live === undefined)
    throw new OpenExecError(
      'not_found',
      `Cannot resume command ${channel}: the sandbox does not know it`,
    )
  const offsets = { stdout: given.stdoutBytes, stderr: given.stderrBytes }
  for (const name of ['stdout', 'stderr'] as const) {
    if (offsets[name] < live[name].from || offsets[name] > live[name].to)
      throw new OpenExecError(
        'bad_request',
        `Cannot resume command ${channel} at byte ${offsets[name]} of ${name}: the sandbox holds ${live[name].from} to ${live[name].to}`,
      )
  }
  const start = { link, handlers: given, program: `#${channel}`, now }
  const command = new RunningCommand(
    { ...start, offsets: { input: live.inputBytes, ...offsets } },
    channel,
  )
  link.send(TO.resume, channel, [resumePayload(offsets)])
  return command
}
