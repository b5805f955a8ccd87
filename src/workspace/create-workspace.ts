/**
 * Makes the workspace of a run: a real worktree of the user's repository, filled without running
 * anything of the repository, and a private git directory for the inside. Either all of it exists
 * afterwards or nothing does.
 */
import fs from 'node:fs'
import path from 'node:path'
import { OpenExecError } from '../schema/index.ts'
import { type BaseTreeLimits, type BaseTreeSurvey, surveyTree } from './base-tree.ts'
import { commitTree } from './commits.ts'
import { openObjectWriter } from './fast-import.ts'
import type { GitCaller } from './git.ts'
import { throwIfCancelled } from './git-process.ts'
import { packDifference, packOneCommit } from './history-pack.ts'
import { fileTimeS, materialise, type Ownership, readTree } from './materialise.ts'
import type { Source } from './open-source.ts'
import { GIT_FILE, writePrivateGitDir } from './private-gitdir.ts'
import { removeSlot } from './remove-workspace.ts'
import {
  type History,
  makeSlot,
  type Slot,
  slotAt,
  type WorkspaceRecord,
  writeRecord,
} from './slot.ts'
import { addWorktreeEntry } from './worktree-entry.ts'

export interface CreateRequest {
  source: Source
  runId: string
  /** Absolute, must not exist; its parent must. */
  slotDir: string
  /** Whom the tree belongs to inside; only root can give it to somebody else. */
  uid: number
  gid: number
  /** Paths the sandbox must not be able to read; `undefined` when there is no such rule. */
  denyRead: ((path: string | Uint8Array) => boolean) | undefined
  history: 'full' | 'head'
  limits: BaseTreeLimits
  nowMs: number
}

export interface PlacedWorkspace {
  slot: Slot
  record: WorkspaceRecord
  /** Brings the files; rejects, with the slot removed, when they cannot be had. Called once. */
  fill(): Promise<void>
}

/**
 * Makes the directories, which can be mounted at once; `fill()` brings their files. Throws
 * `repository_invalid` or `repository_unsafe` when the tree cannot become a workspace,
 * `workspace_failed` when the host cannot hold it, `conflict` when the slot is taken.
 */
export async function placeWorkspace(
  caller: GitCaller,
  request: CreateRequest,
): Promise<PlacedWorkspace> {
  throwIfCancelled(caller.signal, 'create the workspace')
  // It becomes a file name in the user's repository and part of refs.
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(request.runId)) {
    throw new OpenExecError(
      'bad_request',
      `Cannot create a workspace for run ${JSON.stringify(request.runId)}: not an id`,
    )
  }
  const slot = slotAt(request.slotDir)
  makeSlot(slot)
  const placed = await orRemoved(slot, request, place(caller, slot, request))
  const bring = () => orRemoved(slot, request, fill(caller, slot, { ...placed, request }))
  return { slot, record: placed.record, fill: bring }
}

async function orRemoved<T>(slot: Slot, request: CreateRequest, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    await removeSlot(slot.dir, { commonDir: request.source.commonDir, runId: request.runId })
    if (error instanceof OpenExecError) throw explained(error, request.source)
    throw new OpenExecError('workspace_failed', `Cannot create workspace "${slot.dir}"`, {
      hint: 'Check the free space and your rights below the state directory',
      cause: error,
    })
  }
}

interface Placed {
  /** Without the submodules, which are known when the tree has been looked through. */
  record: WorkspaceRecord
  inside: Inside
  /** The tree as it was looked through, if it had to be before anything could be mounted. */
  survey: BaseTreeSurvey | undefined
}

/** Everything that is mounted by itself, empty where it is a directory. */
async function place(caller: GitCaller, slot: Slot, request: CreateRequest): Promise<Placed> {
  const { source, runId, uid, gid, denyRead } = request
  // What is hidden decides which history can be mounted; where nothing is, that is known already.
  const survey = denyRead === undefined ? undefined : await surveyOf(caller, request)
  const inside = await insideOf(caller, request, survey?.denied ?? [])
  fs.writeFileSync(path.join(slot.tree, '.git'), GIT_FILE, { mode: 0o644 })
  fs.writeFileSync(path.join(slot.index, 'git-file'), GIT_FILE, { mode: 0o644 })
  fs.writeFileSync(path.join(slot.index, 'no-alternates'), '', { mode: 0o644 })
  const record: WorkspaceRecord = {
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
    denied: survey?.denied ?? [],
    submodules: [],
    uid,
    gid,
  }
  return { record, inside, survey }
}

async function surveyOf(caller: GitCaller, request: CreateRequest): Promise<BaseTreeSurvey> {
  const { source, limits, denyRead = () => false } = request
  return await surveyTree(caller, source.store, { limits, denyRead, tree: source.tree })
}

async function fill(
  caller: GitCaller,
  slot: Slot,
  { request, record, inside, survey: known }: Placed & { request: CreateRequest },
): Promise<void> {
  const { source, runId } = request
  const { store, anchor } = source
  const { tree } = inside
  const owner: Ownership = { uid: request.uid, gid: request.gid }
  addWorktreeEntry(source, { slot, runId, commit: anchor })
  const [survey] = await together([
    known ?? surveyOf(caller, request),
    readTree(caller, store, { slot, tree }),
    writePrivateGitDir(caller, source, { slot, runId, ...inside }).then(() =>
      packHistory(caller, slot, { source, ...inside }),
    ),
  ])
  record.submodules = survey.submodules
  const hidden = new Set(record.denied)
  const listed = survey.listed.filter((entry) => !hidden.has(entry.path))
  const mtimeS = fileTimeS(source.committedAtS, request.nowMs)
  await materialise(caller, store, { slot, listed, owner, mtimeS })
  giveAway(slot, owner)
  // Its presence says that the workspace is whole.
  writeRecord(slot, record)
}

/** All at once, and all ended before the first failure is told: what is cleaned up must not grow. */
async function together<T extends readonly unknown[] | []>(work: T) {
  for (const end of await Promise.allSettled(work)) if (end.status === 'rejected') throw end.reason
  return await Promise.all(work)
}

interface Inside {
  commit: string
  tree: string
  history: History
}

/** What git inside starts from: the base commit, or one that never had the denied paths. */
async function insideOf(
  caller: GitCaller,
  request: CreateRequest,
  denied: readonly string[],
): Promise<Inside> {
  const { source, runId } = request
  if (denied.length === 0) {
    // Objects the sandbox's account cannot open would break git inside.
    const readable = readableFor(request.uid, source.objectDirs)
    const history = request.history === 'full' && readable ? 'full' : 'head'
    return { commit: source.commit, tree: source.tree, history }
  }
  const writer = openObjectWriter(caller, source.store)
  try {
    const edits = denied.map((hidden) => ({ path: hidden, entry: undefined }))
    const ref = `refs/openexec/runs/${runId}/inside`
    const tree = await writer.tree(source.tree, edits, ref)
    const message = 'Base of the run\n'
    const commit = await commitTree(caller, source.store, {
      tree,
      parents: [],
      message,
      author: undefined,
    })
    return { commit, tree, history: 'filtered' }
  } finally {
    await writer.close()
  }
}

async function packHistory(
  caller: GitCaller,
  slot: Slot,
  inside: Inside & { source: Source },
): Promise<void> {
  const { source, commit, history } = inside
  if (history !== 'full') return packOneCommit(caller, source.store, { slot, commit })
  if (commit === source.anchor) return undefined
  return packDifference(caller, source.store, { slot, commit, known: source.anchor })
}

function readableFor(uid: number, objectDirs: readonly string[]): boolean {
  if (uid === process.getuid?.()) return true
  return objectDirs.every((directory) => {
    const stats = [directory, path.join(directory, 'pack')].map((name) =>
      fs.statSync(name, { throwIfNoEntry: false }),
    )
    return stats.every((stat) => stat === undefined || (stat.mode & 0o005) === 0o005)
  })
}

/** The tree's own entries have their owner already. */
function giveAway(slot: Slot, owner: Ownership): void {
  if (process.getuid?.() !== 0) return
  const below = fs.readdirSync(slot.git, { recursive: true, encoding: 'utf8' })
  for (const name of ['', ...below]) fs.lchownSync(path.join(slot.git, name), owner.uid, owner.gid)
  // Git inside looks at the owner of its pointer too, the pinned one included.
  const pointers = [path.join(slot.tree, '.git'), path.join(slot.index, 'git-file')]
  for (const file of [slot.tree, ...pointers]) {
    fs.lchownSync(file, owner.uid, owner.gid)
  }
}

/** A failure on a partial clone is most likely a missing object. */
function explained(error: OpenExecError, source: Source): OpenExecError {
  if (!source.partial || error.code !== 'workspace_failed') return error
  return new OpenExecError('repository_invalid', error.message, {
    hint: 'The repository is a partial clone and nothing is fetched here: run `git fetch --refetch --no-filter`',
    cause: error,
  })
}
