/**
 * One command in the sandbox, from the request to the end of its last byte. The result comes after
 * both streams have been taken whole; who loses interest kills the command, and from then on its
 * output is thrown away so that a stuck consumer cannot keep it from ending.
 */
import { type ExecResult, OpenExecError } from '../schema/index.ts'
import { deferred, type Deferred } from './pipe-deferred.ts'
import { InputStream } from './pipe-input.ts'
import type { Channel, Link } from './pipe-link.ts'
import { OutputStream, type Taken } from './pipe-output.ts'
import { signalName, signalNumber } from './pipe-signals.ts'
import { type Exited, readExited, u64 } from './protocol-messages.ts'
import { FROM, type Frame, INPUT_FRAMES, INPUT_WINDOW, TO, violation } from './protocol.ts'
import type { OutputStream as OutputName } from './sandbox.ts'

export interface CommandResult extends ExecResult {
  /** The command wrote more than `outputBytesMax` and was killed for it. */
  outputLimited: boolean
  /** Killed by `kill()` or by abort. */
  killed: boolean
  /** From start to end inside, in `ms`. */
  insideMs: number
  /** Processor time of the command and what it waited for, in `ms`. */
  userMs: number
  systemMs: number
  residentBytesMax: number
}

export interface CommandHandlers {
  /**
   * Awaited for each chunk; `offset` is that of its first byte. To go on after a crash, remember
   * how many bytes of each stream were dealt with.
   */
  onOutput(stream: OutputName, chunk: Uint8Array, offset: number): Taken
  /** Awaited when it has ended and its output was taken, before the sandbox forgets it. */
  onEnd?(result: CommandResult): Promise<void>
}

export interface Command {
  /** Under this number the command is found again by `Pipe.resume`. */
  readonly channel: number
  /** Rejects with `command_not_startable`, `sandbox_lost`, `sandbox_protocol_error`. */
  readonly result: Promise<CommandResult>
  /** Resolves when the bytes are on their way; the window makes it wait for a slow reader. */
  write(bytes: Uint8Array): Promise<void>
  end(): Promise<void>
  /** To the process group, or to the first process alone. Throws `bad_request` for no signal. */
  signal(name: string, to?: 'group' | 'process'): void
  /** For a command with a terminal. */
  resize(size: { rows: number; columns: number }): void
  /** Ends the command and every process that descends from it, and drops its output. */
  kill(): void
}

export interface CommandStart {
  link: Link
  handlers: CommandHandlers
  /** Named in errors. */
  program: string
  /** `ms` by the orchestrator's monotonic clock. */
  now(): number
  offsets: { input: number; stdout: number; stderr: number }
}

const STAGES: Readonly<Record<number, string>> = {
  1: 'the program cannot be executed',
  2: 'its working directory cannot be entered',
  3: 'the sandbox has no room for another process',
}

export class RunningCommand implements Channel, Command {
  readonly channel: number
  readonly result: Promise<CommandResult>
  #start: CommandStart
  #startedMs: number
  #settle: Deferred<CommandResult>
  #outputs: readonly [OutputStream, OutputStream]
  #input: InputStream
  #consumerError: { error: unknown } | undefined
  #over = false

  /** With `adopted` it goes on with a channel that lives in the supervisor already. */
  constructor(start: CommandStart, adopted: number | undefined) {
    const { link, offsets } = start
    this.#start = start
    this.#startedMs = start.now()
    this.#settle = deferred()
    this.result = this.#settle.promise
    // The caller may look at it later or, having killed the command, not at all.
    this.result.catch(() => {})
    this.channel = adopted ?? link.open(this)
    if (adopted !== undefined) link.adopt(adopted, this)
    this.#outputs = [this.#output(1, offsets.stdout), this.#output(2, offsets.stderr)]
    this.#input = new InputStream(link, {
      channel: this.channel,
      offset: offsets.input,
      window: () => INPUT_WINDOW,
      frames: INPUT_FRAMES,
    })
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#input.write(bytes)
  }

  end(): Promise<void> {
    return this.#input.end()
  }

  signal(name: string, to: 'group' | 'process' = 'group'): void {
    const number = signalNumber(name)
    if (number === undefined)
      throw new OpenExecError(
        'bad_request',
        `Cannot send signal "${name}": there is no such signal`,
      )
    this.#send(TO.signal, [Buffer.from([number, to === 'group' ? 1 : 0])])
  }

  resize({ rows, columns }: { rows: number; columns: number }): void {
    const size = Buffer.alloc(4)
    size.writeUInt16BE(rows, 0)
    size.writeUInt16BE(columns, 2)
    this.#send(TO.resize, [size])
  }

  kill(): void {
    this.#send(TO.kill, [])
    for (const output of this.#outputs) output.discard()
  }

  receive(frame: Frame): void {
    if (this.#over) throw violation(`frame of type ${frame.type} after the end of its command`)
    switch (frame.type) {
      case FROM.started:
        return
      case FROM.data:
        return this.#outputs[frame.stream === 2 ? 1 : 0].receive(frame)
      case FROM.inputCredit:
        return this.#input.receiveCredit(frame)
      case FROM.exited:
        return this.#finish(readExited(frame.payload))
      case FROM.error:
        return this.#refuse(frame.payload)
      case FROM.file:
      case FROM.result:
      case FROM.hello:
      case FROM.pong:
      case FROM.released:
        throw violation(`frame of type ${frame.type} on a command`)
    }
  }

  fail(error: OpenExecError): void {
    this.#end()
    this.#settle.reject(error)
  }

  #output(id: 1 | 2, offset: number): OutputStream {
    const name = id === 1 ? 'stdout' : 'stderr'
    return new OutputStream(this.#start.link, {
      channel: this.channel,
      id,
      offset,
      consume: (chunk, at) => this.#start.handlers.onOutput(name, chunk, at),
      onError: (error) => {
        this.#consumerError ??= { error }
        this.kill()
      },
    })
  }

  #send(type: (typeof TO)[keyof typeof TO], parts: readonly Uint8Array[]): void {
    if (!this.#over) this.#start.link.send(type, this.channel, parts)
  }

  #end(): void {
    this.#over = true
    this.#input.close()
  }

  #finish(exited: Exited): void {
    const [stdout, stderr] = this.#outputs
    if (exited.stdoutBytes !== stdout.receivedBytes || exited.stderrBytes !== stderr.receivedBytes)
      throw violation('a command ended before all its output had come')
    this.#end()
    const result = this.#resultOf(exited)
    void Promise.all([stdout.drained(), stderr.drained()])
      .then(async () => {
        if (this.#consumerError) throw this.#consumerError.error
        await this.#start.handlers.onEnd?.(result)
        return result
      })
      .finally(() => this.#start.link.release(this.channel))
      .then(this.#settle.resolve, this.#settle.reject)
  }

  #resultOf(exited: Exited): CommandResult {
    return {
      exitCode: exited.signal === 0 ? exited.exitCode & 0xff : null,
      signal: exited.signal === 0 ? null : signalName(exited.signal),
      timedOut: exited.timedOut,
      outputLimited: exited.outputLimited,
      killed: exited.killed,
      outOfMemory: exited.outOfMemory,
      durationMs: this.#start.now() - this.#startedMs,
      insideMs: exited.durationUs / 1000,
      userMs: exited.userUs / 1000,
      systemMs: exited.systemUs / 1000,
      residentBytesMax: exited.residentBytesMax,
      stdoutBytes: exited.stdoutBytes,
      stderrBytes: exited.stderrBytes,
    }
  }

  #refuse(payload: Buffer): void {
    const errno = payload.toString('latin1', 2)
    const stage = STAGES[payload.readUInt16BE(0)]
    if (stage === undefined) throw violation('a command failed in an unknown way')
    this.#end()
    this.#start.link.release(this.channel)
    this.#settle.reject(
      new OpenExecError(
        'command_not_startable',
        `Cannot start command "${this.#start.program}" in the sandbox: ${stage} (${errno})`,
        {
          details: { errno },
          hint: 'Check that the image holds the program and that its path is right',
        },
      ),
    )
  }
}

/** Where output goes on, for a command found again after a crash. */
export function resumePayload(offsets: { stdout: number; stderr: number }): Buffer {
  return u64(offsets.stdout, offsets.stderr)
}
