/**
 * The entry of a run's worktree in the user's repository (`.git/worktrees/<run>`): what makes
 * `git worktree list` show it and keeps its base commit from garbage collection. It is written in the
 * documented layout, without a process, and taken away by deleting it after a look at whose it is.
 */
import fs from 'node:fs'
import path from 'node:path'
import { OpenExecError } from '../schema/index.ts'
import { errorCode } from './directory.ts'
import { type FoundRepository } from './find-repository.ts'
import type { Slot } from './slot.ts'

/** Makes the slot's `tree/`, which is there and may be mounted already, a detached worktree. */
export function addWorktreeEntry(
  source: FoundRepository,
  worktree: { slot: Slot; runId: string; commit: string },
): void {
  const { slot, runId, commit } = worktree
  const entry = entryDir(source.commonDir, runId)
  try {
    fs.mkdirSync(path.dirname(entry), { recursive: true })
    fs.mkdirSync(entry)
    const write = (name: string, text: string): void =>
      fs.writeFileSync(path.join(entry, name), `${text}\n`)
    // As git does: a `git worktree prune` in between must not take it for a broken one.
    write('locked', 'initializing')
    write('gitdir', `${slot.tree}/.git`)
    write('HEAD', commit)
    write('commondir', '../..')
    fs.unlinkSync(path.join(entry, 'locked'))
    giveToOwner(source.commonDir, entry)
  } catch (error) {
    throw notAdded(source, error)
  }
}

/** Removes the entry when it belongs to the slot; quiet when there is none. */
export function removeWorktreeEntry(commonDir: string, slotDir: string, runId: string): void {
  const entry = entryDir(commonDir, runId)
  if (fs.lstatSync(entry, { throwIfNoEntry: false })?.isDirectory() !== true) return
  const owner = path.join(entry, 'gitdir')
  const target = fs.existsSync(owner) ? fs.readFileSync(owner, 'utf8').trim() : `${slotDir}/`
  if (!target.startsWith(`${slotDir}/`)) return
  // Node removes links as links; nobody but the user and this program writes here.
  fs.rmSync(entry, { recursive: true, force: true })
  try {
    fs.rmdirSync(path.dirname(entry))
  } catch {
    // Other worktrees are still there.
  }
}

/** Runs that have an entry in a repository for a slot below `workDir`. */
export function listWorktreeEntries(
  commonDir: string,
  workDir: string,
): { runId: string; slotDir: string }[] {
  const parent = path.join(commonDir, 'worktrees')
  if (!fs.existsSync(parent)) return []
  return fs.readdirSync(parent).flatMap((runId) => {
    const slotDir = path.join(workDir, runId)
    const owner = path.join(parent, runId, 'gitdir')
    const target = fs.existsSync(owner) ? fs.readFileSync(owner, 'utf8') : ''
    return target.startsWith(`${slotDir}/`) ? [{ runId, slotDir }] : []
  })
}

function entryDir(commonDir: string, runId: string): string {
  return path.join(commonDir, 'worktrees', runId)
}

/** Root must not leave files behind that the owner of the repository cannot remove. */
function giveToOwner(commonDir: string, entry: string): void {
  const owner = fs.statSync(commonDir)
  if (process.getuid?.() !== 0 || owner.uid === 0) return
  const paths = fs.readdirSync(entry, { recursive: true, encoding: 'utf8' })
  for (const below of [
    path.dirname(entry),
    entry,
    ...paths.map((name) => path.join(entry, name)),
  ]) {
    fs.lchownSync(below, owner.uid, owner.gid)
  }
}

function notAdded(source: FoundRepository, cause: unknown): OpenExecError {
  const detail = errorCode(cause) === 'EEXIST' ? 'its name is taken' : errorCode(cause)
  return new OpenExecError(
    'workspace_failed',
    `Cannot add a worktree to repository "${source.root}": ${detail}`,
    { hint: 'Check that you may write to its git directory and that its disk is not full', cause },
  )
}
