/**
 * A copy of a state directory that is in use. The database comes first and as one moment; what it
 * names is content that never changes, so whatever is added meanwhile is only more than it needs.
 */
import { cp, lstat, mkdir, readdir, rm, stat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { OpenExecError } from '../schema/index.ts'
import type { State } from '../state/index.ts'

/** What a restored directory needs beside its database. */
const PARTS = ['openexec-state', 'blobs', 'git', 'documents']

/** Throws `conflict` when something is at the place already, `state_unusable` when it cannot be written. */
export async function backupState(
  { state, root }: { state: State; root: string },
  directory: string,
): Promise<{ bytes: number }> {
  if (!isAbsolute(directory))
    throw new OpenExecError(
      'bad_request',
      `Cannot back up to "${directory}": expected an absolute path`,
    )
  if ((await lstat(directory).catch(() => undefined)) !== undefined)
    throw new OpenExecError('conflict', `Cannot back up to "${directory}": it exists already`)
  try {
    await mkdir(directory, { mode: 0o700 })
    await state.backup(join(directory, 'openexec.db'))
    for (const part of PARTS) await copyPart(join(root, part), join(directory, part))
    return { bytes: await sizeOf(directory) }
  } catch (cause) {
    await rm(directory, { recursive: true, force: true })
    throw new OpenExecError('state_unusable', `Cannot back up to "${directory}"`, {
      hint: 'Check that it can be written and that its disk is not full',
      cause,
    })
  }
}

async function copyPart(from: string, to: string): Promise<void> {
  if ((await lstat(from).catch(() => undefined)) === undefined) return
  await cp(from, to, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
}

async function sizeOf(directory: string): Promise<number> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  let bytes = 0
  for (const entry of entries)
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size
  return bytes
}
