import { chmodSync, closeSync, lstatSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { OpenExecError } from '../schema/index.ts'
import { claimStateDirectory } from './state-directory.ts'

/**
 * Makes the database file private before SQLite opens it: directory 0700 when it is made here, file
 * 0600 always; SQLite gives its -wal and -shm siblings the same mode. A link is refused, since a
 * repository could bring one that points elsewhere. Gives back the secret the database must repeat.
 * Throws `state_unusable`, also for a directory that was not made here.
 */
export function prepareStateFile(
  file: string,
  { create }: { create: boolean },
): string | undefined {
  try {
    if (create) mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    const stat = lstatSync(file, { throwIfNoEntry: false })
    if (stat !== undefined && !stat.isFile())
      throw new OpenExecError(
        'state_unusable',
        `Cannot open state database "${file}": it is not a plain file`,
        {
          hint: 'Remove it, or name another state directory',
        },
      )
    const secret = claimStateDirectory(dirname(file), { create })
    if (!create) return secret
    if (stat === undefined) closeSync(openSync(file, 'a', 0o600))
    else if ((stat.mode & 0o077) !== 0) chmodSync(file, 0o600)
    return secret
  } catch (error) {
    if (error instanceof OpenExecError) throw error
    throw new OpenExecError('state_unusable', `Cannot open state database "${file}"`, {
      hint: `Check that you may write to "${dirname(file)}" and that its disk is not full`,
      cause: error,
    })
  }
}
