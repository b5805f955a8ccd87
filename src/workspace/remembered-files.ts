/**
 * The files of a small tree, kept in memory by a process that lives long: the second workspace of a
 * commit is written without git. They are what git itself wrote for the first one, after it had
 * looked at every path.
 */
import fs from 'node:fs'
import { type BytePath, fsPath, parentsOf } from './byte-path.ts'
import type { IndexEntry } from './git-index.ts'
import type { ObjectStore } from './object-store.ts'
import type { RepositoryMemory } from './repository-memory.ts'
import { type Ownership, settleOne } from './settle-file.ts'
import type { Slot } from './slot.ts'

interface RememberedFile {
  path: BytePath
  /** Octal text, as git writes it. */
  mode: string
  oid: string
  /** Bytes of a file, target of a link, `undefined` for the directory of a submodule. */
  content: Buffer | undefined
}

const ENTRIES_MAX = 2_000
const BYTES_MAX = 4 * 1024 * 1024

function weighFiles(files: readonly RememberedFile[]): number {
  const weight = ({ path, content }: RememberedFile) => 200 + path.length + (content?.length ?? 0)
  return files.reduce((sum, file) => sum + weight(file), 0)
}

/** The files of a tree, if they are known. */
export function knownFiles(
  memory: RepositoryMemory | undefined,
  of: { store: ObjectStore; tree: string },
): readonly RememberedFile[] | undefined {
  // Only `keepFiles()` writes under these keys.
  return memory?.known(keyOf(of)) as readonly RememberedFile[] | undefined
}

/** Nothing of the run is executed before its files are there: they are what git wrote. */
export function keepFiles(
  memory: RepositoryMemory | undefined,
  of: { store: ObjectStore; tree: string },
  { slot, entries }: { slot: Slot; entries: readonly IndexEntry[] },
): void {
  const bytes = entries.reduce((sum, { size }) => sum + size, 0)
  if (memory === undefined || entries.length > ENTRIES_MAX || bytes > BYTES_MAX) return
  const files = entries.map(({ path, mode, oid }): RememberedFile => {
    const text = mode.toString(8)
    return { path, mode: text, oid, content: contentOf(fsPath(slot.tree, path), text) }
  })
  memory.keep(keyOf(of), files, weighFiles(files))
}

function keyOf({ store, tree }: { store: ObjectStore; tree: string }): string {
  return JSON.stringify(['files', store.gitDir, tree])
}

function contentOf(file: string | Buffer, mode: string): Buffer | undefined {
  if (mode === SUBMODULE) return undefined
  return mode === LINK ? fs.readlinkSync(file, { encoding: 'buffer' }) : fs.readFileSync(file)
}

/** Into an empty tree. The same as git would leave it: modes by the umask, owner and time ours. */
export function writeFiles(
  slot: Slot,
  files: readonly RememberedFile[],
  { owner, mtimeS }: { owner: Ownership; mtimeS: number },
): IndexEntry[] {
  const chown = process.getuid?.() === 0
  const directories = new Set<BytePath>()
  const entries = files.map((file) => {
    for (const parent of [...parentsOf(file.path)].toReversed()) {
      if (directories.has(parent)) continue
      fs.mkdirSync(fsPath(slot.tree, parent))
      directories.add(parent)
    }
    writeFile(fsPath(slot.tree, file.path), file)
    return settleOne(slot, file, { owner, chown, mtimeS })
  })
  if (!chown) return entries
  for (const directory of directories)
    fs.lchownSync(fsPath(slot.tree, directory), owner.uid, owner.gid)
  fs.lchownSync(slot.tree, owner.uid, owner.gid)
  return entries
}

function writeFile(file: string | Buffer, { mode, content }: RememberedFile): void {
  if (content === undefined) fs.mkdirSync(file)
  else if (mode === LINK) fs.symlinkSync(content, file)
  else fs.writeFileSync(file, content, { flag: 'wx', mode: mode === EXECUTABLE ? 0o777 : 0o666 })
}

const SUBMODULE = '160000'
const LINK = '120000'
const EXECUTABLE = '100755'
