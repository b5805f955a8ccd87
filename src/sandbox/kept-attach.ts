/** Finds a sandbox again that another process has made and left, or died over. */
import { OpenExecError, type Receipt } from '../schema/index.ts'
import { DockerSandbox } from './docker-sandbox.ts'
import { isGone } from './errors.ts'
import { demuxed, greetPipe } from './greet.ts'
import type { KeptRecord } from './kept-record.ts'
import { runningContainers } from './kept-states.ts'
import type { OpenContext } from './open.ts'
import type { Pipe } from './pipe.ts'
import { attach, removeContainer } from './start.ts'
import { containerLost } from './watch-container.ts'
import type { DiskWatch } from './watch-disk.ts'

/** Throws `sandbox_lost` when it has ended, and what an attach throws. */
export async function attachKept(
  context: OpenContext,
  record: KeptRecord,
  signal: AbortSignal,
): Promise<DockerSandbox> {
  const { engine } = context
  const orphanTimeoutMs = Math.max(1, record.expiresAt - context.now)
  const sandbox = await attachSandbox(context, record, {
    orphanTimeoutMs,
    ended: (cause) => ended(record.id, cause),
    keeps: () => false,
    // Who made it said that its limits are soft.
    watchDisk: () => {},
    onLeft: () => {},
    dispose: () => removeContainer(engine, record.container),
    signal,
  })
  return sandbox
}

export interface AttachedTo {
  id: string
  container: string
  key: string
  env: Readonly<Record<string, string>>
  receipt: Receipt
}

export interface AttachSandboxOptions {
  orphanTimeoutMs: number
  /** What is thrown when it does not live any more. */
  ended(cause: unknown): OpenExecError
  /** Commands that are gone on with; others are killed. */
  keeps(channel: number): boolean
  watchDisk(sandbox: DockerSandbox, measure: DiskWatch['measure'], life: AbortController): void
  /** Nobody uses it here any more. */
  onLeft(): void
  dispose(): Promise<void>
  signal: AbortSignal
}

export async function attachSandbox(
  { engine }: Pick<OpenContext, 'engine'>,
  { id, container: containerId, key, env, receipt }: AttachedTo,
  options: AttachSandboxOptions,
): Promise<DockerSandbox> {
  const { signal } = options
  const running = await runningContainers(engine, { id: [containerId] }, signal)
  if (!running.has(containerId)) throw options.ended(undefined)
  const container = engine.docker.getContainer(containerId)
  const stream = await attach(container, { name: `openexec-${id}`, signal }).catch(
    (cause: unknown) => {
      throw isGone(cause) ? options.ended(cause) : cause
    },
  )
  const { ends, stderrTail } = demuxed(stream)
  const { orphanTimeoutMs } = options
  const pipe = await greetPipe(ends, { key, orphanTimeoutMs }, signal)
  endLeftovers(pipe, options.keeps)
  const life = new AbortController()
  const leave = () => {
    life.abort()
    stream.destroy()
    options.onLeft()
  }
  const sandbox: DockerSandbox = new DockerSandbox({
    id,
    container: containerId,
    receipt,
    key,
    pipe,
    env,
    lost: containerLost({ engine, container, pipe, stderrTail, signal: life.signal }),
    watchDisk: (measure) => options.watchDisk(sandbox, measure, life),
    leave,
    dispose: async () => {
      leave()
      await options.dispose()
    },
  })
  return sandbox
}

/** What a process that was killed left running belongs to nobody. */
function endLeftovers(pipe: Pipe, keeps: (channel: number) => boolean): void {
  for (const { channel, stdout, stderr } of pipe.hello.live)
    if (!keeps(channel))
      pipe
        .resume(channel, { onOutput: () => {}, stdoutBytes: stdout.from, stderrBytes: stderr.from })
        .kill()
}

function ended(id: string, cause: unknown): OpenExecError {
  return new OpenExecError('sandbox_lost', `Cannot use sandbox "${id}": it has ended`, {
    hint: `Remove it with \`openexec sandbox rm ${id}\` and create another one`,
    cause,
  })
}
