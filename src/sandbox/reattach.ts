/**
 * A sandbox of a run whose process has died, and in which a command goes on: attached again by the
 * same session, with the same receipt, since nothing of a container's confinement can change while it
 * runs. It is used like one that was opened here, and removed in the end.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Confinement, OpenExecError } from '../schema/index.ts'
import type { DockerSandbox } from './docker-sandbox.ts'
import { ORPHAN_TIMEOUT_MS } from './greet.ts'
import { attachSandbox } from './kept-attach.ts'
import { type OpenContext, type SandboxSpec, watchWorkspace } from './open.ts'
import type { SandboxSession } from './session.ts'
import { removeContainer } from './start.ts'

export interface ReattachWish {
  session: SandboxSession
  /** Channels of the commands that are gone on with. */
  commands: readonly number[]
  limits: Confinement['limits']
  /** The run's own directory on the host. */
  slot: string
  measure: SandboxSpec['measure']
}

export async function reattachSandbox(
  context: OpenContext,
  { session, commands, limits, slot, measure }: ReattachWish,
  signal: AbortSignal,
): Promise<DockerSandbox> {
  const { engine, log } = context
  const directory = join(slot, 'users', session.id)
  const dispose = async () => {
    await removeContainer(engine, session.container)
    await rm(directory, { recursive: true, force: true })
  }
  try {
    const sandbox = await attachSandbox(context, session, {
      orphanTimeoutMs: ORPHAN_TIMEOUT_MS,
      ended: (cause) => lost(session, 'it does not run any more', cause),
      keeps: (channel) => commands.includes(channel),
      watchDisk: (one, look, life) => watchWorkspace(one, limits, { measure: look, life, log }),
      onLeft: () => context.onGone(),
      dispose,
      signal,
    })
    const live = sandbox.liveCommands()
    if (!commands.every((channel) => live.includes(channel))) {
      await sandbox.close()
      throw lost(session, 'its command is not there any more', undefined)
    }
    if (measure !== undefined) sandbox.watchDisk(measure)
    return sandbox
  } catch (error) {
    await dispose().catch(() => {
      // The first error tells more; the reaper finds the container by its labels.
    })
    throw error
  }
}

function lost({ id }: SandboxSession, why: string, cause: unknown): OpenExecError {
  return new OpenExecError('sandbox_lost', `Cannot go on in sandbox "${id}": ${why}`, {
    details: { reason: 'sandbox_lost' },
    cause,
  })
}
