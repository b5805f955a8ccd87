/**
 * `runs/<run>/` as the user sees it: timeline.jsonl, artifacts/, output/, context_pack.json,
 * policy_snapshot.json. All of it is derived from the database and the blobs, or spooled output; no
 * name in it comes unchanged from a task, and no sandbox ever sees it.
 */
import { constants, copyFileSync, linkSync, mkdirSync } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { RunId } from '../schema/index.ts'
import { fileErrorCode, translateFileError } from './file-errors.ts'
import { numberedName, safeName } from './safe-name.ts'

/** Artifacts of one name that get a file of their own. */
const SAME_NAME_MAX = 1000
const LINK_IMPOSSIBLE = new Set(['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP'])

export interface RunDirectory {
  path: string
  artifacts: string
  output: string
}

export function runDirectory(root: string, runId: RunId): RunDirectory {
  const path = join(root, 'runs', runId)
  return { path, artifacts: join(path, 'artifacts'), output: join(path, 'output') }
}

/** Makes the directory of a run with its parts, 0700. Throws `state_unusable`. */
export function createRunDirectory(root: string, runId: RunId): RunDirectory {
  const directory = runDirectory(root, runId)
  try {
    for (const path of [directory.artifacts, directory.output])
      mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw translateFileError(error, `Cannot make the directory of run "${runId}"`)
  }
  return directory
}

/** Safe to call twice. */
export async function removeRunDirectory(root: string, runId: RunId): Promise<void> {
  await rm(runDirectory(root, runId).path, { recursive: true, force: true })
}

/** Writes a document of the run whole or not at all, 0600. Throws `state_unusable`. */
export async function writeRunDocument(
  directory: RunDirectory,
  name: 'context_pack.json' | 'policy_snapshot.json',
  value: unknown,
): Promise<void> {
  const path = join(directory.path, name)
  const fresh = `${path}.new`
  try {
    const handle = await open(fresh, 'w', 0o600)
    try {
      await handle.writeFile(`${JSON.stringify(value, undefined, 2)}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(fresh, path)
  } catch (error) {
    await rm(fresh, { force: true })
    throw translateFileError(error, `Cannot write "${path}"`)
  }
}

/**
 * Shows a blob under its artifact's name, as a hard link where the file system can. A second
 * artifact of one name becomes `name-2`. Returns the file name.
 */
export function showArtifact(
  directory: RunDirectory,
  { blob, name, mediaType }: { blob: string; name: string; mediaType: string },
): string {
  mkdirSync(directory.artifacts, { recursive: true, mode: 0o700 })
  const safe = safeName(name, mediaType)
  for (let number = 1; number <= SAME_NAME_MAX; number++) {
    const candidate = numberedName(safe, number)
    if (linkOrCopy(blob, join(directory.artifacts, candidate))) return candidate
  }
  return safe
}

/** False when the name is taken. */
function linkOrCopy(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    const code = fileErrorCode(error)
    if (code === 'EEXIST') return false
    if (code === undefined || !LINK_IMPOSSIBLE.has(code)) throw error
  }
  try {
    copyFileSync(from, to, constants.COPYFILE_EXCL)
    return true
  } catch (error) {
    if (fileErrorCode(error) === 'EEXIST') return false
    throw error
  }
}
