/**
 * Finds out that a container has ended although nobody asked it to, and why. Two signs, because
 * each fails somewhere: the pipe ends at once under runc but not under every runtime, and the
 * engine's own word does not come when the engine is what died.
 */
import type Docker from 'dockerode'
import { OpenExecError } from '../schema/index.ts'
import type { Engine } from './connect.ts'
import { engineCall } from './engine-call.ts'
import { engineGet } from './engine-get.ts'
import { isGone } from './errors.ts'
import { InspectFacts } from './inspect-facts.ts'
import type { Pipe } from './pipe.ts'

export interface ContainerWatch {
  engine: Engine
  container: Docker.Container
  pipe: Pipe
  /** Last words of the supervisor, for people. */
  stderrTail(): Buffer
  /** Aborted when the container is removed on purpose. */
  signal: AbortSignal
}

const INSPECT_TIMEOUT_MS = 2_000

/** Resolves with `sandbox_lost`, `sandbox_protocol_error` or `engine_failed`; never on purpose. */
export async function containerLost(watch: ContainerWatch): Promise<OpenExecError> {
  const error = await Promise.race([watch.pipe.ended, containerDied(watch)])
  // After `close()` the pipe ends without one: nobody has lost anything.
  if (error === undefined || watch.signal.aborted) return await new Promise(() => {})
  return error.code === 'sandbox_lost' ? await explained(watch, error) : error
}

/** Never resolves when the engine breaks off: then the pipe ends as well. */
async function containerDied({ container, signal }: ContainerWatch): Promise<OpenExecError> {
  try {
    await container.wait({ abortSignal: signal })
    return new OpenExecError('sandbox_lost', 'Cannot go on in the sandbox: its container has ended')
  } catch {
    return await new Promise(() => {})
  }
}

async function explained(watch: ContainerWatch, error: OpenExecError): Promise<OpenExecError> {
  const { engine, container } = watch
  const call = {
    action: 'find out what happened to the sandbox',
    missing: 'sandbox_lost',
    timeoutMs: INSPECT_TIMEOUT_MS,
    signal: watch.signal,
  } as const
  try {
    const answer = await engineCall(call, (signal) =>
      engineGet(engine.docker, `/containers/${container.id}/json`, {
        timeoutMs: INSPECT_TIMEOUT_MS,
        signal,
      }),
    )
    return fromState(InspectFacts.parse(answer).State, watch, error)
  } catch (cause) {
    if (isGone(cause)) return lost('somebody removed its container', { cause: error })
    return new OpenExecError(
      'engine_failed',
      `Cannot go on in the sandbox: the engine at "${engine.endpoint}" is gone`,
      {
        hint: 'Check that the engine runs, then start the task again',
        details: { reason: 'engine_failed' },
        cause,
      },
    )
  }
}

function fromState(
  state: InspectFacts['State'],
  watch: ContainerWatch,
  cause: OpenExecError,
): OpenExecError {
  if (state.Running) return lost('the connection to its container broke', { cause })
  if (state.OOMKilled && state.ExitCode === 137) {
    return lost('the kernel ended it because its memory was used up', {
      cause,
      details: { reason: 'out_of_memory' },
      hint: 'Give it more with `limits.memory` in the policy',
    })
  }
  const words = watch.stderrTail().toString('utf8').trim()
  return lost(`its container ended with code ${state.ExitCode}${words && ` (${words})`}`, { cause })
}

function lost(
  problem: string,
  options: { cause: OpenExecError; details?: Record<string, unknown>; hint?: string },
): OpenExecError {
  return new OpenExecError('sandbox_lost', `Cannot go on in the sandbox: ${problem}`, {
    details: { reason: 'sandbox_lost' },
    ...options,
  })
}
