/**
 * What is sent to the engine for a build, and the hash that stands for it. Times, owners and the
 * order of directory entries count for neither, so a fresh clone gives the same hash.
 */
import { createHash } from 'node:crypto'
import { lstat, readFile, readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { pack, type Pack } from 'tar-fs'

/** What npm may have left in the folder of an image; it comes by `ImageRecipe.fetch`. */
const SKIPPED = /^node_modules(\/|$)/

export interface HashedInput {
  folders: readonly string[]
  /** Build arguments, labels: whatever else decides what the image is. */
  settings: Readonly<Record<string, string>>
  /** Content hash or id of the image it is built from. */
  parent: string
}

/** SHA-256 over every file (path, kind, executable bit, bytes), the settings and the parent. */
export async function contentHash({ folders, settings, parent }: HashedInput): Promise<string> {
  const hash = createHash('sha256')
  const sorted = Object.entries(settings).toSorted(([a], [b]) => (a < b ? -1 : 1))
  hash.update(JSON.stringify({ parent, settings: sorted }))
  for (const folder of folders) {
    const names = await readdir(folder, { recursive: true })
    for (const name of names.toSorted()) {
      if (!SKIPPED.test(name))
        hash.update(`\n${JSON.stringify([name, await fingerprint(join(folder, name))])}`)
    }
  }
  return hash.digest('hex')
}

async function fingerprint(path: string): Promise<string> {
  const stat = await lstat(path)
  if (stat.isDirectory()) return 'directory'
  if (stat.isSymbolicLink()) return `link ${await readlink(path)}`
  const kind = (stat.mode & 0o100) === 0 ? 'file' : 'program'
  return `${kind} ${createHash('sha256')
    .update(await readFile(path))
    .digest('hex')}`
}

/** One tar stream of all folders; a later one replaces files of an earlier one. */
export function packContext(folders: readonly string[], into?: Pack): Pack {
  const [folder, ...rest] = folders
  if (folder === undefined) throw new Error('A build context needs at least one folder')
  return pack(folder, {
    ...(into === undefined ? {} : { pack: into }),
    finalize: rest.length === 0,
    finish: (stream) => void (rest.length > 0 && packContext(rest, stream)),
    // The folder that npm filled is itself such a folder: only the first one is the image's own.
    ignore: (path) => into === undefined && SKIPPED.test(path.slice(folder.length + 1)),
    map: (header) => ({
      ...header,
      // The umask of whoever cloned the project is not the image's: all may read, only root writes.
      mode: header.type === 'directory' || (header.mode & 0o100) !== 0 ? 0o755 : 0o644,
      uid: 0,
      gid: 0,
      mtime: new Date(0),
    }),
  })
}
