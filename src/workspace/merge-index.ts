/**
 * The user's index as it is to be after a merge, made beside it and put in its place with one rename.
 * Entries that are staged and in the way refuse the merge; the others stay as they are.
 */
import fs from 'node:fs'
import path from 'node:path'
import { OpenExecError } from '../schema/index.ts'
import type { FoundRepository } from './find-repository.ts'
import { type GitCaller, gitTry } from './git.ts'
import { type ObjectStore, storePlace } from './object-store.ts'

export interface PreparedIndex {
  /** Throws `conflict` when the index has changed meanwhile. */
  put(): void
  /** Puts the old one back where `put()` has replaced it. */
  takeBack(): void
  /** Removes what is left beside the index. */
  drop(): void
}

export async function prepareIndex(
  caller: GitCaller,
  store: ObjectStore,
  merge: { repository: FoundRepository; from: string; to: string },
): Promise<PreparedIndex> {
  const { repository, from, to } = merge
  const { index, next, last } = indexFiles(repository)
  const before = fs.statSync(index, { bigint: true, throwIfNoEntry: false })
  if (before === undefined) throw refused(repository, 'it has no index')
  const drop = (): void => {
    for (const file of [next, `${next}.lock`, last]) fs.rmSync(file, { force: true })
  }
  drop()
  try {
    fs.copyFileSync(index, next, fs.constants.COPYFILE_EXCL)
    const place = { ...storePlace(store), workTree: repository.root, indexFile: next }
    const { code, stderr } = await gitTry(caller, place, ['read-tree', '-i', '-m', from, to])
    if (code !== 0) throw refused(repository, stderr)
    fs.chmodSync(next, Number(before.mode) & 0o777)
    if (process.getuid?.() === 0) fs.chownSync(next, Number(before.uid), Number(before.gid))
    fs.copyFileSync(index, last, fs.constants.COPYFILE_EXCL)
    fs.chmodSync(last, Number(before.mode) & 0o777)
    if (process.getuid?.() === 0) fs.chownSync(last, Number(before.uid), Number(before.gid))
  } catch (error) {
    drop()
    throw error
  }
  let replaced = false
  return {
    put() {
      lock(repository, next)
      const now = fs.statSync(index, { bigint: true })
      if (now.ino !== before.ino || now.mtimeNs !== before.mtimeNs || now.size !== before.size) {
        fs.unlinkSync(`${index}.lock`)
        throw refused(repository, 'its index has changed meanwhile')
      }
      fs.renameSync(`${index}.lock`, index)
      replaced = true
    },
    takeBack() {
      if (replaced) fs.renameSync(last, index)
    },
    drop,
  }
}

/** What a merge that was cut off has left: `undo` when its branch was never moved. */
export function recoverIndex(repository: { gitDir: string }, undo: boolean): void {
  const { index, next, last } = indexFiles(repository)
  const made = fs.statSync(next, { throwIfNoEntry: false })
  const locked = fs.statSync(`${index}.lock`, { throwIfNoEntry: false })
  if (made !== undefined && locked?.ino === made.ino) fs.unlinkSync(`${index}.lock`)
  const current = fs.statSync(index, { throwIfNoEntry: false })
  if (undo && made !== undefined && current?.ino === made.ino && fs.existsSync(last))
    fs.renameSync(last, index)
  for (const file of [next, `${next}.lock`, last]) fs.rmSync(file, { force: true })
}

function indexFiles({ gitDir }: { gitDir: string }) {
  const index = path.join(gitDir, 'index')
  return {
    index,
    next: path.join(gitDir, 'openexec-index.new'),
    last: path.join(gitDir, 'openexec-index.old'),
  }
}

/** Git's own lock, held for the length of one look and one rename. */
function lock(repository: FoundRepository, next: string): void {
  try {
    fs.linkSync(next, path.join(repository.gitDir, 'index.lock'))
  } catch (cause) {
    throw new OpenExecError(
      'conflict',
      `Cannot merge into "${repository.root}": its index is locked`,
      { hint: 'Wait until the git command at work there has ended', cause },
    )
  }
}

function refused({ root }: FoundRepository, why: string): OpenExecError {
  return new OpenExecError('conflict', `Cannot merge into "${root}": ${why}`, {
    hint: 'Nothing was changed. Commit or unstage what is staged there (see `git status`)',
  })
}
