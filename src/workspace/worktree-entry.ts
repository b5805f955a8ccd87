/**
 * The entry of a run's worktree in the user's repository (`.git/worktrees/<run>`): what makes
 * `git worktree list` show it and keeps its base commit from garbage collection. It is made by git
 * without a checkout and hooks, and taken away by deleting it after a look at whose it is.
 */
import fs from 'node:fs'
import path from 'node:path'
import { OpenExecError } from '../schema/index.ts'
import { type GitCaller, gitTry } from './git.ts'
import { type FoundRepository } from './find-repository.ts'
import { sourcePlace } from './open-source.ts'
import type { Slot } from './slot.ts'

/** Makes the slot's `tree/`, which is there and may be mounted already, a detached worktree. */
export async function addWorktreeEntry(
  caller: GitCaller,
  source: FoundRepository,
  worktree: { slot: Slot; runId: string; commit: string },
): Promise<void> {
  const { slot, runId, commit } = worktree
  // Git names the entry after the directory, so it gets the run's name first.
  const named = path.join(slot.dir, runId)
  const args = ['worktree', 'add', '--quiet', '--no-checkout', '--detach', named, commit]
  const { code, stderr } = await gitTry(caller, sourcePlace(source), args)
  if (code !== 0) throw notAdded(source, stderr)
  const entry = entryDir(source.commonDir, runId)
  if (!fs.existsSync(path.join(entry, 'gitdir'))) throw notAdded(source, 'its name is taken')
  fs.unlinkSync(path.join(named, '.git'))
  fs.rmdirSync(named)
  fs.writeFileSync(path.join(entry, 'gitdir'), `${slot.tree}/.git\n`)
  giveToOwner(source.commonDir, entry)
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

function notAdded(source: FoundRepository, detail: string): OpenExecError {
  return new OpenExecError(
    'workspace_failed',
    `Cannot add a worktree to repository "${source.root}": ${detail}`,
    { hint: 'Check that you may write to its git directory and that its disk is not full' },
  )
}
