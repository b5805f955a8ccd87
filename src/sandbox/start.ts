/**
 * From a specification to a running container with its pipe attached, or to nothing at all: a
 * container that does not come up is removed before the error is told. Attached before it is
 * started, so that not a byte is missed.
 */
import type { Duplex } from 'node:stream'
import type Docker from 'dockerode'
import { OpenExecError } from '../schema/index.ts'
import type { Engine } from './connect.ts'
import type { ContainerSpec } from './container-spec.ts'
import { cancelledError, engineCall } from './engine-call.ts'
import { isGone, isHeld, said, statusOf } from './errors.ts'

export interface StartedContainer {
  container: Docker.Container
  /** The engine's attach stream, both ways. */
  stream: Duplex
}

export interface StartOptions {
  /** Name of the container on the engine. */
  name: string
  /** Called once the engine is busy starting the container; may be called again for another attempt. */
  meanwhile(): void
  signal: AbortSignal
}

const CREATE_TIMEOUT_MS = 60_000
const ATTACH_TIMEOUT_MS = 10_000
const START_TIMEOUT_MS = 60_000
const REMOVE_TIMEOUT_MS = 15_000

/**
 * Throws `sandbox_failed` when the engine cannot start it so, `image_not_found`, `cancelled`,
 * `engine_failed` or `engine_unavailable` else. Whatever is thrown, the container is gone.
 */
export async function startContainer(
  engine: Engine,
  spec: ContainerSpec,
  options: StartOptions,
): Promise<StartedContainer> {
  const container = await create(engine, spec, options)
  let stream: Duplex | undefined
  try {
    if (options.signal.aborted) throw cancelledError('open a sandbox', options.signal)
    stream = await attach(container, options)
    await start(container, options)
    return { container, stream }
  } catch (error) {
    stream?.destroy()
    await removeContainer(engine, container.id).catch(() => {
      // The first error tells more; the reaper finds the container by its labels.
    })
    throw error
  }
}

/** Kills and removes it with its anonymous volumes. One that is gone already is no error. */
export async function removeContainer(engine: Engine, id: string): Promise<void> {
  const call = {
    action: `remove sandbox container "${id.slice(0, 12)}"`,
    missing: 'engine_failed',
    timeoutMs: REMOVE_TIMEOUT_MS,
    signal: AbortSignal.timeout(REMOVE_TIMEOUT_MS),
  } as const
  try {
    await engineCall(call, (abortSignal) =>
      engine.docker.getContainer(id).remove({ force: true, v: true, abortSignal }),
    )
  } catch (error) {
    // Held: the engine is removing it for somebody else.
    if (isGone(error) || isHeld(error)) return
    throw error
  }
}

/**
 * Waited for even when the caller gives up: the engine goes on creating without us, and the
 * container could not be removed before it exists.
 */
async function create(
  engine: Engine,
  spec: ContainerSpec,
  { name, signal }: StartOptions,
): Promise<Docker.Container> {
  if (signal.aborted) throw cancelledError('open a sandbox', signal)
  const call = {
    action: `create sandbox "${name}"`,
    missing: 'image_not_found',
    timeoutMs: CREATE_TIMEOUT_MS,
    signal: AbortSignal.timeout(CREATE_TIMEOUT_MS + 1_000),
  } as const
  let isLate = false
  try {
    return await engineCall(call, async () => {
      const container = await engine.docker.createContainer({ ...spec, name })
      if (isLate) await removeContainer(engine, container.id)
      return container
    })
  } catch (error) {
    isLate = true
    throw error
  }
}

/** The engine's stream to a container, for one that runs already as well. */
export async function attach(
  container: Docker.Container,
  { name, signal }: Pick<StartOptions, 'name' | 'signal'>,
): Promise<Duplex> {
  const call = {
    action: `attach to sandbox "${name}"`,
    missing: 'sandbox_lost',
    timeoutMs: ATTACH_TIMEOUT_MS,
    signal,
  } as const
  // Of its own: the signal of the call also ends later, and would take the stream with it.
  const giveUp = new AbortController()
  try {
    return await engineCall(call, async () => {
      const stream = await container.attach({
        stream: true,
        hijack: true,
        stdin: true,
        stdout: true,
        stderr: true,
        abortSignal: giveUp.signal,
      })
      // Typed as one direction each; a hijacked connection is a socket.
      return stream as Duplex
    })
  } catch (error) {
    giveUp.abort()
    throw error
  }
}

async function start(
  container: Docker.Container,
  { name, signal, meanwhile }: StartOptions,
): Promise<void> {
  const call = {
    action: `start sandbox "${name}"`,
    missing: 'sandbox_lost',
    timeoutMs: START_TIMEOUT_MS,
    signal,
  } as const
  await engineCall(call, async (abortSignal) => {
    try {
      const started = container.start({ abortSignal })
      // In two turns of the event loop the request is on its way, and work here delays it no more.
      setImmediate(() => setImmediate(meanwhile))
      await started
    } catch (cause) {
      if (statusOf(cause) === undefined || statusOf(cause) === 404) throw cause
      throw new OpenExecError('sandbox_failed', `Cannot start sandbox "${name}"${said(cause)}`, {
        hint: 'Run `openexec doctor` to check the engine',
        details: { engine: cause instanceof Error ? cause.message.slice(0, 2_000) : '' },
        cause,
      })
    }
  })
}

/** Whether another attempt with less asked of the engine may succeed. */
export function isStartRefused(error: unknown): boolean {
  return (
    error instanceof OpenExecError &&
    error.code === 'sandbox_failed' &&
    statusOf(error.cause) !== undefined
  )
}
