/** Finds a sandbox again that another process has made and left. */
import { OpenExecError } from '../schema/index.ts'
import { DockerSandbox } from './docker-sandbox.ts'
import { isGone } from './errors.ts'
import { demuxed, greetPipe } from './greet.ts'
import type { KeptRecord } from './kept-record.ts'
import { runningContainers } from './kept-states.ts'
import type { OpenContext } from './open.ts'
import type { Pipe } from './pipe.ts'
import { attach, removeContainer } from './start.ts'
import { containerLost } from './watch-container.ts'

/** Throws `sandbox_lost` when it has ended, and what an attach throws. */
export async function attachKept(
  context: OpenContext,
  record: KeptRecord,
  signal: AbortSignal,
): Promise<DockerSandbox> {
  const { engine } = context
  const { id, key, receipt, env, expiresAt } = record
  if (!(await runningContainers(engine, signal)).has(record.container)) throw ended(id, undefined)
  const container = engine.docker.getContainer(record.container)
  const stream = await attach(container, { name: `openexec-${id}`, signal }).catch(
    (cause: unknown) => {
      throw isGone(cause) ? ended(id, cause) : cause
    },
  )
  const { ends, stderrTail } = demuxed(stream)
  const orphanTimeoutMs = Math.max(1, expiresAt - context.now)
  const pipe = await greetPipe(ends, { key, orphanTimeoutMs }, signal)
  endLeftovers(pipe)
  const life = new AbortController()
  const leave = () => {
    life.abort()
    stream.destroy()
  }
  return new DockerSandbox({
    id,
    container: record.container,
    receipt,
    pipe,
    env,
    lost: containerLost({ engine, container, pipe, stderrTail, signal: life.signal }),
    // Who made it said that its limits are soft.
    watchDisk: () => {},
    leave,
    dispose: async () => {
      leave()
      await removeContainer(engine, record.container)
    },
  })
}

/** What a process that was killed left running belongs to nobody. */
function endLeftovers(pipe: Pipe): void {
  for (const { channel, stdout, stderr } of pipe.hello.live)
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
