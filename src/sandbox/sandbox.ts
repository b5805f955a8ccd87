/**
 * What the rest of the program may ask of a sandbox. The whole interface is served by one pipe into
 * the container; nothing here knows a run, a blueprint or a model.
 */
import type { Duplex } from 'node:stream'
import type { ExecResult, FileStat, Receipt } from '../schema/index.ts'

export type OutputStream = 'stdout' | 'stderr'

export interface ExecRequest {
  argv: readonly string[]
  /** Added to the environment of the confinement. */
  env: Readonly<Record<string, string>>
  /** Absolute, under /workspace, /tmp or the home. */
  cwd: string
  /** `ms`; the command and all it started are killed then. */
  timeoutMs: number
  /** Whole standard input; closed after it. */
  stdin: Uint8Array
  /**
   * Awaited for each chunk, so a slow consumer slows the command down and not the memory up. A number
   * says how many of the last bytes a kill of this process would lose: the sandbox keeps them.
   */
  onOutput(stream: OutputStream, chunk: Uint8Array): void | number | Promise<void | number>
  /** Kills the command and all it started. */
  signal: AbortSignal
  /** For a command that another process goes on with if this one dies. */
  keeper?: CommandKeeper | undefined
}

export interface CommandKeeper {
  /** The command runs already, for so many `ms`, and has been `heard` so far; `undefined`: wholly. */
  goOn:
    | { channel: number; ageMs: number; heard: Record<OutputStream, number> | undefined }
    | undefined
  /** Called before anything of the command can have happened. */
  onStarted(channel: number): void
  /** Awaited once it has ended and its output was taken; until then the sandbox remembers it. */
  onEnded(result: ExecResult): Promise<void>
}

/** Where a sandbox with egress listens for its own processes: 127.0.0.1 and this port. */
export const EGRESS_PORT = 3128

/**
 * Takes a connection that somebody inside made, and owns it from then on: a duplex whose directions
 * end each by itself. Nothing has looked at its bytes. Destroyed before both ends, the client sees
 * a reset.
 */
export type OnEgress = (connection: Duplex) => void

export interface DirectoryEntry extends FileStat {
  /** Bytes of the name as they are; may not be UTF-8. */
  name: Uint8Array
}

export interface Sandbox {
  readonly id: string
  readonly receipt: Receipt
  /**
   * Runs argv to its end. Throws `command_not_startable` when there is no such program,
   * `sandbox_lost` when the container dies under it, `cancelled` on abort.
   */
  exec(request: ExecRequest): Promise<ExecResult>
  /** Absolute paths under /workspace, /tmp and the home; no link is followed. Throws `not_found`. */
  readFile(path: string, options: { maxBytes: number }): Promise<Uint8Array>
  /** Creates missing parents; replaces whole files only. */
  writeFile(path: string, content: Uint8Array, options: { mode: number }): Promise<void>
  removeFile(path: string): Promise<void>
  list(path: string): Promise<DirectoryEntry[]>
  stat(path: string): Promise<FileStat | undefined>
  /**
   * Listens on the sandbox's own loopback from now on, gives what connects there to `onEgress`, and
   * tells every command of it. Throws `sandbox_failed` where the port is taken inside.
   */
  openEgress(onEgress: OnEgress): Promise<void>
  /** Kills and removes the container with its volumes; safe to call twice. */
  close(): Promise<void>
}

/** A command that is talked to while it runs. */
export interface CommandRequest extends Omit<ExecRequest, 'stdin' | 'signal' | 'keeper'> {
  /** `open`: by `write()` and `end()`; `none`: empty. */
  stdin: 'open' | 'none'
  terminal: { rows: number; columns: number } | undefined
}

export interface InteractiveCommand {
  /** Rejects with `command_not_startable`, `sandbox_lost`, `sandbox_protocol_error`. */
  readonly result: Promise<ExecResult>
  /** Resolves when the bytes are on their way; a command that does not read makes it wait. */
  write(bytes: Uint8Array): Promise<void>
  /** No byte follows. A terminal is told the end of its input. */
  end(): Promise<void>
  /** To the process group. Throws `bad_request` for what is no signal. */
  signal(name: string): void
  resize(size: { rows: number; columns: number }): void
  /** Ends the command and all it started. */
  kill(): void
}

export interface InteractiveSandbox extends Sandbox {
  /** Starts a command and leaves it to the caller. Throws `bad_request` for what cannot be asked. */
  start(request: CommandRequest): InteractiveCommand
  /** With missing parents; what exists already is fine. */
  makeDirectory(path: string, options: { mode: number }): Promise<void>
}
