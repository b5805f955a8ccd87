/**
 * The directory of one run's workspace and what lies where in it. `tree/` and `git/` are given to the
 * sandbox; `index/` holds what only the host reads; a slot directory itself is closed to others.
 */
import fs from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import { OpenExecError } from '../schema/index.ts'
import type { Inside } from './inside-history.ts'
import type { Source } from './open-source.ts'
import { errorCode } from './directory.ts'

export interface Slot {
  dir: string
  /** The worktree, /workspace inside. */
  tree: string
  /** The private git directory, /openexec/git inside. */
  git: string
  /** Host only. */
  index: string
}

/** How much history git inside can reach; `filtered` is one commit without the denied paths. */
export const History = z.enum(['full', 'head', 'filtered'])
export type History = z.infer<typeof History>

/** What is known of a workspace, kept in its slot so that another process can go on with it. */
export const WorkspaceRecord = z.object({
  version: z.literal(1),
  runId: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  root: z.string(),
  sourceGitDir: z.string(),
  commonDir: z.string(),
  objectDirs: z.array(z.string()),
  objectFormat: z.enum(['sha1', 'sha256']),
  store: z.string(),
  baseCommit: z.string(),
  baseTree: z.string(),
  /** Commit git inside starts from; differs from the base commit when history is filtered. */
  insideCommit: z.string(),
  history: History,
  /** Base paths the sandbox must not see, one character per byte. */
  denied: z.array(z.string()),
  /** Paths of submodules, one character per byte. */
  submodules: z.array(z.string()),
  uid: z.number().int(),
  gid: z.number().int(),
  /** What the tree lies over; `undefined` for files of its own. */
  seed: z.object({ dir: z.string(), tree: z.string() }).optional(),
})
export type WorkspaceRecord = z.infer<typeof WorkspaceRecord>

/** Without the submodules, which are known when the tree has been looked through. */
export function recordOf(
  { source, runId, uid, gid }: { source: Source; runId: string; uid: number; gid: number },
  { inside, denied }: { inside: Inside; denied: string[] },
): WorkspaceRecord {
  return {
    version: 1,
    runId,
    root: source.root,
    sourceGitDir: source.gitDir,
    commonDir: source.commonDir,
    objectDirs: [...source.objectDirs],
    objectFormat: source.objectFormat,
    store: source.store.gitDir,
    baseCommit: source.commit,
    baseTree: source.tree,
    insideCommit: inside.commit,
    history: inside.history,
    denied,
    submodules: [],
    uid,
    gid,
  }
}

export function slotAt(dir: string): Slot {
  return {
    dir,
    tree: path.join(dir, 'tree'),
    git: path.join(dir, 'git'),
    index: path.join(dir, 'index'),
  }
}

/** Throws `conflict` when it is there, `workspace_failed` when it cannot be made. */
export function makeSlot(slot: Slot): void {
  try {
    fs.mkdirSync(slot.dir, { mode: 0o700 })
    fs.mkdirSync(slot.tree, { mode: 0o755 })
    fs.mkdirSync(slot.git, { mode: 0o755 })
    fs.mkdirSync(slot.index, { mode: 0o700 })
  } catch (error) {
    const taken = errorCode(error) === 'EEXIST'
    throw new OpenExecError(
      taken ? 'conflict' : 'workspace_failed',
      `Cannot create workspace "${slot.dir}": ${taken ? 'it exists' : (errorCode(error) ?? 'failed')}`,
      { hint: 'Check the state directory, or run `openexec gc`', cause: error },
    )
  }
}

export function writeRecord(slot: Slot, record: WorkspaceRecord): void {
  fs.writeFileSync(path.join(slot.index, 'workspace.json'), JSON.stringify(record), { mode: 0o600 })
}

/** Throws `not_found` for a slot without a workspace, `workspace_failed` for one that is damaged. */
export function readRecord(slot: Slot): WorkspaceRecord {
  const file = path.join(slot.index, 'workspace.json')
  if (!fs.existsSync(file)) {
    throw new OpenExecError('not_found', `Cannot open workspace "${slot.dir}": there is none`)
  }
  try {
    return WorkspaceRecord.parse(JSON.parse(fs.readFileSync(file, 'utf8')))
  } catch (error) {
    throw new OpenExecError(
      'workspace_failed',
      `Cannot open workspace "${slot.dir}": damaged record`,
      {
        hint: 'Remove the workspace with `openexec gc` and start the run again',
        cause: error,
      },
    )
  }
}
