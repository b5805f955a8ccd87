/**
 * Makes a base commit of the user's checkout as it is: what is staged, the files as they are now, and
 * the untracked ones. It goes into the object store; index, files and refs of the user stay untouched.
 */
import fs from 'node:fs'
import path from 'node:path'
import { OpenExecError } from '../schema/index.ts'
import { type BytePath, showPath } from './byte-path.ts'
import { commitTree, storeRef } from './commits.ts'
import {
  blobHash,
  blobId,
  openRegular,
  readPieces,
  readWhole,
  WHOLE_FILE_BYTES,
} from './content.ts'
import { closingAfter, Directory } from './directory.ts'
import { type Checkout, checkoutPlace, modifiedFiles, untrackedFiles } from './dirty-checkout.ts'
import { unsafePath } from './dot-git.ts'
import { type ObjectWriter, openObjectWriter, type TreeEdit } from './fast-import.ts'
import { type GitCaller, gitLine } from './git.ts'
import { storePlace } from './object-store.ts'
import { locate } from './parents.ts'
import { toUnixLines } from './line-endings.ts'
import { pauser } from './walk.ts'

const FILE_BYTES_MAX = 512 * 1024 * 1024

/** Throws `repository_invalid` while a merge is unresolved or a file cannot be read. */
export async function takeUncommitted(caller: GitCaller, checkout: Checkout): Promise<string> {
  const { store, head } = checkout
  const staged = await stagedTree(caller, checkout)
  const files = new Map<BytePath, string | undefined>()
  const [modified, untracked] = await Promise.all([
    modifiedFiles(caller, checkout),
    untrackedFiles(caller, checkout),
  ])
  for (const { path: name, oid } of modified) files.set(name, oid)
  for (const name of untracked) files.set(name, undefined)
  const tree = files.size === 0 ? staged : await treeWith(caller, checkout, { staged, files })
  if (tree === (await gitLine(caller, storePlace(store), ['rev-parse', `${head}^{tree}`])))
    return head
  const commit = await commitTree(caller, store, {
    tree,
    parents: [head],
    message: 'Uncommitted changes\n',
    author: undefined,
  })
  await storeRef(caller, store, { ref: `refs/openexec/base/${commit}`, commit })
  return commit
}

async function stagedTree(caller: GitCaller, checkout: Checkout): Promise<string> {
  const index = path.join(checkout.found.gitDir, 'index')
  if (!fs.existsSync(index)) {
    return gitLine(caller, storePlace(checkout.store), ['rev-parse', `${checkout.head}^{tree}`])
  }
  const scratch = fs.mkdtempSync(path.join(checkout.store.gitDir, 'index-'))
  try {
    // `write-tree` may write the index it reads, so it gets a copy.
    const indexFile = path.join(scratch, 'index')
    fs.copyFileSync(index, indexFile)
    return await gitLine(caller, { ...checkoutPlace(checkout), indexFile }, ['write-tree'])
  } catch (error) {
    if (error instanceof OpenExecError && error.code === 'cancelled') throw error
    throw new OpenExecError(
      'repository_invalid',
      'Cannot take uncommitted changes: the index has no tree',
      {
        hint: 'Resolve conflicts (see `git status`), or run without the uncommitted changes',
        cause: error,
      },
    )
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true })
  }
}

async function treeWith(
  caller: GitCaller,
  checkout: Checkout,
  taken: { staged: string; files: ReadonlyMap<BytePath, string | undefined> },
): Promise<string> {
  const writer = openObjectWriter(caller, checkout.store)
  const root = Directory.open(checkout.found.root)
  const pause = pauser(caller.signal)
  try {
    const edits: TreeEdit[] = []
    for (const [file, oldOid] of taken.files) {
      await pause()
      const edit = await editFor(root, file, {
        writer,
        format: checkout.store.objectFormat,
        oldOid,
      })
      if (edit !== undefined) edits.push(edit)
    }
    if (edits.length === 0) return taken.staged
    return await writer.tree(taken.staged, edits, 'refs/openexec/base/latest')
  } finally {
    root.close()
    await writer.close()
  }
}

/** Undefined when nothing has to change. */
async function editFor(
  root: Directory,
  file: BytePath,
  options: { writer: ObjectWriter; format: 'sha1' | 'sha256'; oldOid: string | undefined },
): Promise<TreeEdit | undefined> {
  if (unsafePath(file) !== undefined) return undefined
  const located = locate(root, file)
  const gone: TreeEdit = { path: file, entry: undefined }
  if (located === undefined) return options.oldOid === undefined ? undefined : gone
  const { parent, name } = located
  return closingAfter([parent], async () => {
    const stat = parent.lstat(name)
    if (stat === undefined) return options.oldOid === undefined ? undefined : gone
    if (stat.isSymbolicLink()) {
      const target = parent.readLink(name)
      await options.writer.blob(target.length, [target])
      return { path: file, entry: { mode: '120000', oid: blobId(options.format, target) } }
    }
    // Directories stand for submodules; anything else has no place in a tree.
    if (!stat.isFile()) return undefined
    const oid = await writeFile(name, file, { ...options, parent })
    const mode = (stat.mode & 0o100) === 0 ? '100644' : '100755'
    return { path: file, entry: { mode, oid } }
  })
}

async function writeFile(
  name: BytePath,
  file: BytePath,
  options: {
    parent: Directory
    writer: ObjectWriter
    format: 'sha1' | 'sha256'
    oldOid: string | undefined
  },
): Promise<string> {
  const { parent, writer, format, oldOid } = options
  const open = openRegular(parent, name)
  if (open === undefined) throw unstable(file)
  try {
    if (open.size > FILE_BYTES_MAX) throw tooBig(file)
    if (open.size > WHOLE_FILE_BYTES) {
      const hash = blobHash(format, open.size)
      for (const piece of readPieces(open)) hash.update(piece)
      await writer.blob(open.size, readPieces(open))
      return hash.digest('hex')
    }
    const content = readWhole(open)
    if (content === undefined) throw unstable(file)
    // A file that differs only by its checkout's line endings is not changed.
    const unix = toUnixLines(content)
    if (unix !== undefined && oldOid !== undefined && blobId(format, unix) === oldOid) return oldOid
    const oid = blobId(format, content)
    if (oid !== oldOid) await writer.blob(content.length, [content])
    return oid
  } finally {
    open.close()
  }
}

function unstable(file: BytePath): OpenExecError {
  return new OpenExecError(
    'repository_invalid',
    `Cannot read ${showPath(file)}: it changes while it is read`,
    {
      hint: 'Stop what writes to the checkout and try again',
    },
  )
}

function tooBig(file: BytePath): OpenExecError {
  return new OpenExecError(
    'repository_invalid',
    `Cannot take ${showPath(file)}: over ${FILE_BYTES_MAX} bytes`,
    {
      hint: 'Ignore the file with a .gitignore, or run without the uncommitted changes',
    },
  )
}
