/**
 * The Sandbox interface over one container and its pipe. It owns the life of both: whatever ends
 * first, a command, the container, the engine or the caller's patience, everybody who waits here
 * hears of it in bounded time, and the container does not outlive it.
 */
import { networkEnv } from '../policy/index.ts'
import { OpenExecError, type ExecResult, type FileStat, type Receipt } from '../schema/index.ts'
import { runCommand } from './command-limits.ts'
import { deferred } from './pipe-deferred.ts'
import type { Pipe } from './pipe.ts'
import {
  type CommandRequest,
  type DirectoryEntry,
  EGRESS_PORT,
  type ExecRequest,
  type InteractiveCommand,
  type InteractiveSandbox,
  type OnEgress,
} from './sandbox.ts'
import type { SandboxSession } from './session.ts'
import type { DiskWatch } from './watch-disk.ts'

export interface DockerSandboxDeps {
  id: string
  /** Id of the container on the engine. */
  container: string
  receipt: Receipt
  /** Session key of its pipe. */
  key: string
  pipe: Pipe
  /** The whole environment of a command that adds nothing. */
  env: Readonly<Record<string, string>>
  /** Resolves when the container or its pipe ends by itself, with the reason. */
  lost: Promise<OpenExecError>
  /** Begins to look how much its workspace holds. */
  watchDisk(measure: DiskWatch['measure']): void
  /** Lets go of the container and leaves it as it is. */
  leave(): void
  /** Removes the container and everything that belongs to it. */
  dispose(): Promise<void>
}

const FILE_TIMEOUT_MS = 60_000
const ENTRIES_MAX = 100_000
const CWD = /^\/(?:workspace|tmp|home\/agent)(?:\/|$)/

export class DockerSandbox implements InteractiveSandbox {
  readonly id: string
  readonly container: string
  readonly receipt: Receipt
  /** Resolves when it can be used no more, whoever ended it. */
  readonly gone: Promise<void>
  #tellGone: () => void
  #deps: DockerSandboxDeps
  /** Why nothing can be asked any more. */
  #over: OpenExecError | undefined
  #disposing: Promise<void> | undefined
  /** Where programs find the way out, once there is one. */
  #egressEnv: Readonly<Record<string, string>> = {}

  constructor(deps: DockerSandboxDeps) {
    this.id = deps.id
    this.container = deps.container
    this.receipt = deps.receipt
    this.#deps = deps
    const { promise, resolve } = deferred<void>()
    this.gone = promise
    this.#tellGone = resolve
    void deps.lost.then((error) => this.fail(error))
  }

  /** By what another process finds it again. */
  get session(): SandboxSession {
    const { id, container, key, env, receipt } = this.#deps
    return { version: 1, id, container, key, env: { ...env }, receipt }
  }

  /** Commands that an earlier attach has begun and nobody goes on with yet. */
  liveCommands(): readonly number[] {
    return this.#deps.pipe.hello.live.map(({ channel }) => channel)
  }

  /** For one that was opened before its workspace had an owner. */
  watchDisk(measure: DiskWatch['measure']): void {
    this.#deps.watchDisk(measure)
  }

  async exec(request: ExecRequest): Promise<ExecResult> {
    this.#assertUsable()
    checkCwd(request.cwd)
    const whole = { ...request, env: { ...this.#deps.env, ...this.#egressEnv, ...request.env } }
    return await this.#whileUsable(
      runCommand(this.#deps.pipe, whole, {
        onStuck: (error) => this.fail(error),
      }),
    )
  }

  start(request: CommandRequest): InteractiveCommand {
    this.#assertUsable()
    checkCwd(request.cwd)
    const { argv, cwd, timeoutMs, stdin, terminal, onOutput } = request
    const env = { ...this.#deps.env, ...this.#egressEnv, ...request.env }
    const limits = { timeoutMs, outputBytesMax: 0, keepDescendants: false }
    const command = this.#deps.pipe.start(
      { argv, env, cwd, stdin, terminal, ...limits },
      { onOutput },
    )
    return {
      result: this.#whileUsable(command.result),
      write: (bytes) => command.write(bytes),
      end: () => command.end(),
      signal: (name) => command.signal(name),
      resize: (size) => command.resize(size),
      kill: () => command.kill(),
    }
  }

  async readFile(path: string, { maxBytes }: { maxBytes: number }): Promise<Uint8Array> {
    return await this.#files((pipe, signal) => pipe.readFile(path, { bytesMax: maxBytes, signal }))
  }

  async writeFile(path: string, content: Uint8Array, { mode }: { mode: number }): Promise<void> {
    await this.#files((pipe, signal) => pipe.writeFile(path, content, { mode, signal }))
  }

  async makeDirectory(path: string, { mode }: { mode: number }): Promise<void> {
    await this.#files((pipe, signal) => pipe.makeDirectory(path, { mode, signal }))
  }

  async removeFile(path: string): Promise<void> {
    await this.#files((pipe, signal) => pipe.removeFile(path, { signal }))
  }

  async list(path: string): Promise<DirectoryEntry[]> {
    return await this.#files((pipe, signal) => pipe.list(path, { entriesMax: ENTRIES_MAX, signal }))
  }

  async stat(path: string): Promise<FileStat | undefined> {
    return await this.#files((pipe, signal) => pipe.stat(path, { signal }))
  }

  /**
   * Listens on the sandbox's loopback and gives what connects to the handler; asked again, the new
   * handler takes over. Throws `sandbox_failed` where the port is taken inside.
   */
  async openEgress(onEgress: OnEgress): Promise<void> {
    this.#assertUsable()
    await this.#whileUsable(this.#deps.pipe.openDoor(EGRESS_PORT, onEgress))
    this.#egressEnv = networkEnv(EGRESS_PORT)
  }

  /** Leaves it running for whoever attaches next; here it is used no more. */
  detach(): void {
    this.#stop(new OpenExecError('cancelled', `Cannot use sandbox "${this.id}": it was left`))
    this.#deps.leave()
  }

  async close(): Promise<void> {
    this.#stop(new OpenExecError('sandbox_lost', `Cannot use sandbox "${this.id}": it is closed`))
    await this.#dispose()
  }

  /** Ends the sandbox at once: who waits gets `error`, and the container is removed. */
  fail(error: OpenExecError): void {
    if (this.#over !== undefined) return
    this.#stop(error)
    // close() tries again and tells whether it failed.
    void this.#dispose().catch(() => {})
  }

  #stop(error: OpenExecError): void {
    this.#over ??= error
    this.#tellGone()
    // Fails whatever waits in the pipe.
    this.#deps.pipe.close()
  }

  /** Once; again only after a failure. */
  #dispose(): Promise<void> {
    this.#disposing ??= this.#deps.dispose().catch((error: unknown) => {
      this.#disposing = undefined
      throw error
    })
    return this.#disposing
  }

  #assertUsable(): void {
    if (this.#over !== undefined) throw this.#over
  }

  async #files<T>(work: (pipe: Pipe, signal: AbortSignal) => Promise<T>): Promise<T> {
    this.#assertUsable()
    const signal = AbortSignal.timeout(FILE_TIMEOUT_MS)
    return await this.#whileUsable(work(this.#deps.pipe, signal))
  }

  /** The reason of the end is told, not what it did to the pipe. */
  async #whileUsable<T>(work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (error) {
      if (this.#over !== undefined) throw this.#over
      // The pipe notices a death before its reason is known.
      if (error instanceof OpenExecError && error.code === 'sandbox_lost')
        throw await this.#deps.lost
      throw error
    }
  }
}

function checkCwd(cwd: string): void {
  if (CWD.test(cwd) && !cwd.split('/').includes('..')) return
  throw new OpenExecError(
    'bad_request',
    `Cannot run a command in "${cwd}": not under /workspace, /tmp or /home/agent`,
  )
}
