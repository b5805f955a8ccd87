/**
 * The place where an apply keeps old and new files while it moves them, and the note from which a
 * half-done one is undone, by the same process or by the next. One apply at a time: the directory is
 * the lock.
 */
import fs from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import { OpenExecError } from '../schema/index.ts'
import type { ApplyPlan } from './apply-plan.ts'
import { closing, Directory, errorCode } from './directory.ts'
import type { FoundRepository } from './find-repository.ts'
import { recoverIndex } from './merge-index.ts'
import { atPath, locateOrMake } from './parents.ts'
import { readRef } from './read-head.ts'
import { removeTree } from './remove-tree.ts'

const Journal = z.object({
  pid: z.number().int(),
  steps: z.array(z.object({ path: z.string(), write: z.boolean() })),
  makes: z.array(z.string()),
  /** A branch that moves with the files: when it has, the change is whole. */
  seals: z.object({ ref: z.string(), to: z.string() }).optional(),
})
export type Seals = NonNullable<Journal['seals']>
type Journal = z.infer<typeof Journal>

export interface Staging {
  dir: string
  /** New files, named by the position of their step. */
  fresh: Directory
  /** Files moved away, named likewise. */
  old: Directory
}

const NOTE = 'journal.json'
const DONE = 'done.json'

/** Makes the staging directory. Throws `conflict` while another one is there. */
export async function openStaging(checkout: FoundRepository): Promise<Staging> {
  const dir = stagingDir(checkout)
  let draft: string | undefined
  try {
    draft = fs.mkdtempSync(`${dir}-${process.pid}-`)
    fs.mkdirSync(path.join(draft, 'new'))
    fs.mkdirSync(path.join(draft, 'old'))
    writeDurably(path.join(draft, NOTE), { pid: process.pid, steps: [], makes: [] })
    // Fails while another one is there, since that is never empty.
    fs.renameSync(draft, dir)
  } catch (error) {
    if (draft !== undefined) await dropStaging(draft)
    throw notStaged(checkout.root, dir, error)
  }
  return {
    dir,
    fresh: Directory.open(path.join(dir, 'new')),
    old: Directory.open(path.join(dir, 'old')),
  }
}

/**
 * Notes what is going to be moved. Called when every new file is staged and before the first move:
 * from here on, a new file missing from staging is one that has been moved in.
 */
export function beginMoves(staging: Staging, plan: ApplyPlan, seals: Seals | undefined): void {
  const steps = plan.steps.map((step) => ({ path: step.path, write: step.write !== undefined }))
  const journal = { pid: process.pid, steps, makes: plan.makes }
  const note = path.join(staging.dir, NOTE)
  writeDurably(note, seals === undefined ? journal : { ...journal, seals })
}

/** After this, a crash no longer undoes what was applied. */
export async function finishStaging(staging: Staging): Promise<void> {
  fs.renameSync(path.join(staging.dir, NOTE), path.join(staging.dir, DONE))
  await dropStaging(staging.dir)
}

/** Undoes an apply that was cut off. Quiet when there is none, or when it still runs. */
export async function recoverApply(checkout: FoundRepository): Promise<void> {
  const dir = stagingDir(checkout)
  await dropDrafts(dir)
  const journal = readJournal(dir)
  if (journal === 'running' || journal === 'none') return
  const isWhole = journal === 'nothing_moved' || isSealed(checkout, journal)
  if (!isWhole) undo(checkout.root, dir, journal)
  recoverIndex(checkout, !isWhole)
  await dropStaging(dir)
}

/** What died before it was an apply, and what was being removed. */
async function dropDrafts(dir: string): Promise<void> {
  const [parent, own] = [path.dirname(dir), path.basename(dir)]
  for (const name of fs.readdirSync(parent)) {
    if (!name.startsWith(own)) continue
    const [, pid, removed] = /^(?:-(\d+)-\w+)?(\.rm\d+)?$/.exec(name.slice(own.length)) ?? []
    const died = pid !== undefined && !isAlive(Number(pid))
    if (died || (pid === undefined && removed !== undefined)) await removeTree(parent, name)
  }
}

function isSealed({ commonDir }: FoundRepository, { seals }: Journal): boolean {
  return seals !== undefined && readRef(commonDir, seals.ref) === seals.to
}

/** Puts everything back and removes the staging directory. */
export async function rollBack(root: string, staging: Staging): Promise<void> {
  const journal = Journal.parse(JSON.parse(fs.readFileSync(path.join(staging.dir, NOTE), 'utf8')))
  undo(root, staging.dir, journal)
  await dropStaging(staging.dir)
}

function undo(rootDir: string, dir: string, journal: Journal): void {
  const root = Directory.open(rootDir)
  const fresh = Directory.open(path.join(dir, 'new'))
  const old = Directory.open(path.join(dir, 'old'))
  closing([root, fresh, old], () => undoMoves(journal, { root, fresh, old }))
}

function undoMoves(
  journal: Journal,
  { root, fresh, old }: { root: Directory; fresh: Directory; old: Directory },
): void {
  for (const [position, step] of [...journal.steps.entries()].toReversed()) {
    const slot = String(position)
    // A new file that is not in staging any more is the one in the checkout.
    if (step.write && fresh.lstat(slot) === undefined) {
      atPath(root, step.path, (parent, name) => fs.rmSync(parent.at(name), { force: true }))
    }
  }
  for (const made of journal.makes.toReversed()) {
    try {
      atPath(root, made, (parent, name) => fs.rmdirSync(parent.at(name)))
    } catch {
      // Never made, or holding something else.
    }
  }
  const owner = root.lstat('.')
  for (const [position, step] of journal.steps.entries()) {
    if (old.lstat(String(position)) === undefined) continue
    const { parent, name } = locateOrMake(root, step.path, (above, made) => {
      if (process.getuid?.() === 0 && owner !== undefined) {
        fs.lchownSync(above.at(made), owner.uid, owner.gid)
      }
    })
    closing([parent], () => old.rename(String(position), parent, name))
  }
}

/** Beside the index where that is the same file system, because files are moved, not copied. */
function stagingDir({ root, gitDir }: { root: string; gitDir: string }): string {
  const together = fs.statSync(root).dev === fs.statSync(gitDir).dev
  return together ? path.join(gitDir, 'openexec-apply') : path.join(root, '.openexec-apply')
}

function readJournal(dir: string): Journal | 'none' | 'running' | 'nothing_moved' {
  if (!fs.existsSync(dir)) return 'none'
  const note = path.join(dir, NOTE)
  // Finished and not cleaned up.
  if (!fs.existsSync(note)) return 'nothing_moved'
  const journal = Journal.parse(JSON.parse(fs.readFileSync(note, 'utf8')))
  return isAlive(journal.pid) ? 'running' : journal
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errorCode(error) === 'EPERM'
  }
}

function writeDurably(file: string, value: Journal): void {
  const draft = `${file}.tmp`
  const fd = fs.openSync(draft, 'wx', 0o600)
  try {
    fs.writeSync(fd, JSON.stringify(value))
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
  fs.renameSync(draft, file)
}

async function dropStaging(dir: string): Promise<void> {
  await removeTree(path.dirname(dir), path.basename(dir))
}

function notStaged(root: string, dir: string, cause: unknown): OpenExecError {
  const code = errorCode(cause)
  const running = code === 'ENOTEMPTY' || code === 'EEXIST'
  const why = running ? 'another apply is at work' : `cannot write "${path.dirname(dir)}"`
  const hint = running ? 'Wait until it has ended' : 'Check free space and your rights there'
  const kind = running ? 'conflict' : 'workspace_failed'
  return new OpenExecError(kind, `Cannot apply to "${root}": ${why}`, { hint, cause })
}
