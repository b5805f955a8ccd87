/**
 * One server for each state directory, also between containers that cannot see each other's
 * processes.
 */
import { closeSync, lstatSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { OpenExecError } from '../schema/index.ts'
import { tryProcessLock } from './process-lock.ts'

const FILE = 'server.lock'

/** Throws `conflict` while another server has the directory, `state_unusable` for all else. */
export function lockServer(directory: string): { [Symbol.dispose](): void } {
  const file = join(directory, FILE)
  const stat = lstatSync(file, { throwIfNoEntry: false })
  if (stat !== undefined && !stat.isFile())
    throw new OpenExecError('state_unusable', `Cannot lock "${file}": it is not a plain file`)
  const unlock = lockFile(file)
  if (unlock === undefined)
    throw new OpenExecError(
      'conflict',
      `Cannot serve "${directory}": another server has this state directory`,
      { hint: 'Stop it first, or name another directory with --state DIR' },
    )
  return { [Symbol.dispose]: unlock }
}

function lockFile(file: string): (() => void) | undefined {
  try {
    closeSync(openSync(file, 'a', 0o600))
    return tryProcessLock(file)
  } catch (cause) {
    throw new OpenExecError('state_unusable', `Cannot lock "${file}"`, { cause })
  }
}
