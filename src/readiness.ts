/** Whether a server can take runs just now, and what it lacks where it cannot. */
import { statfsSync } from 'node:fs'
import type { OpenedRuntime, Program } from './program.ts'
import type { Service } from './runtime/index.ts'
import { OpenExecError } from './schema/index.ts'
import { countRuns } from './state/index.ts'

interface Parts {
  program: Program
  opened: OpenedRuntime
  service: Service
}

/** How long the engine may take to answer, in `ms`. */
const READY_MS = 3_000

/** Throws `unavailable` with what is missing. */
export async function readiness({ program, opened, service }: Parts): Promise<void> {
  if (service.queue.isStopped())
    throw new OpenExecError('unavailable', 'Cannot take runs: the server is ending')
  refuseFullDisk(opened)
  refuseUnusableState(opened)
  try {
    await program.sandboxes.ping({ signal: AbortSignal.timeout(READY_MS) })
  } catch (cause) {
    throw new OpenExecError(
      'unavailable',
      'Cannot take runs: the container engine does not answer',
      {
        hint: 'Run `openexec doctor` on the machine of the server',
        cause,
      },
    )
  }
}

/** What a run and its output need at least; below it, what is there can still be read. */
const FREE_BYTES_MIN = 64 * 1024 * 1024

/** Throws `unavailable`. */
export function refuseFullDisk({ root }: OpenedRuntime): void {
  const { bavail, bsize } = statfsSync(root)
  const free = bavail * bsize
  if (free >= FREE_BYTES_MIN) return
  throw new OpenExecError(
    'unavailable',
    `Cannot take runs: the disk of the state directory has ${free} bytes left, ${FREE_BYTES_MIN} are needed`,
    { hint: 'Make room with `openexec gc`, or give the disk more' },
  )
}

/** Throws `unavailable` when nothing can be written or read. */
function refuseUnusableState({ deps: { state } }: OpenedRuntime): void {
  try {
    state.transact((tx) => countRuns(tx))
  } catch (cause) {
    throw new OpenExecError('unavailable', 'Cannot take runs: the database does not answer', {
      hint: 'Look at the log of the server; restore a copy made with `openexec backup`',
      cause,
    })
  }
}

/** Throws `state_corrupt`. */
export function refuseDamaged({ deps: { state } }: OpenedRuntime): void {
  const found = state.checkIntegrity()
  if (found === 'ok') return
  throw new OpenExecError('state_corrupt', `Cannot serve: the database is damaged: ${found[0]}`, {
    hint: 'Restore a copy made with `openexec backup`',
  })
}
