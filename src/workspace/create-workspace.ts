/**
 * Makes the workspace of a run: a real worktree of the user's repository, filled without running
 * anything of the repository, and a private git directory for the inside. Either all of it exists
 * afterwards or nothing does.
 */
import { OpenExecError } from '../schema/index.ts'
import { type BaseTreeLimits, type BaseTreeSurvey, surveyTree } from './base-tree.ts'
import type { SeedOptions } from './choose-seed.ts'
import { commitTree } from './commits.ts'
import { openObjectWriter } from './fast-import.ts'
import type { GitCaller } from './git.ts'
import { throwIfCancelled } from './git-process.ts'
import { canRead, type Inside, packHistory } from './inside-history.ts'
import { giveAway, writeMounted } from './make-slot.ts'
import { fileTimeS, materialise, readTree, writeIndex } from './materialise.ts'
import type { SlotLayout } from './mounts.ts'
import type { Source } from './open-source.ts'
import { writePrivateGitDir } from './private-gitdir.ts'
import { keepFiles, knownFiles, writeFiles } from './remembered-files.ts'
import { removeSlot } from './remove-workspace.ts'
import { findGround, fillPlaced, makeLayer, placeLayer } from './seeded-workspace.ts'
import { makeSlot, recordOf, type Slot, slotAt, type WorkspaceRecord, writeRecord } from './slot.ts'
import { together } from './together.ts'
import type { Ownership } from './settle-file.ts'
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
  /**
   * Asked for a slot that was made ahead with such mounts: puts it at `slotDir` and says whom it
   * belongs to, or has none.
   */
  claim?: (layout: SlotLayout) => Promise<Ownership | undefined>
  /** Where seeds lie and whether they may be used; `undefined` writes files always. */
  seeds: (SeedOptions & { stateDir: string }) | undefined
  limits: BaseTreeLimits
  nowMs: number
}

export interface PlacedWorkspace {
  slot: Slot
  record: WorkspaceRecord
  /** Why its files are its own; `undefined` where they lie over a seed. */
  plain: string | undefined
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
  const base = await lookAtBase(caller, request)
  const ground = await findGround(caller, slot, { request, base }).catch((error: unknown) => {
    throw told(error, request)
  })
  if (ground.kind === 'seed') {
    // Whatever was begun ahead of the run has another tree mounted, and makes way.
    const { objectDirs, tree } = request.source
    const seed = { dir: ground.seed.dir, tree }
    await request.claim?.({ history: base.inside.history, objectDirs, seed })
  }
  const layer = await makeLayer(slot, ground)
  if (typeof layer !== 'string') {
    const placing = Promise.resolve().then(() => placeLayer(slot, layer, { request, base }))
    const placed = await orRemoved(slot, request, placing)
    const all = { ...placed, request, layer }
    const bring = () => orRemoved(slot, request, fillPlaced(caller, slot, all))
    return { slot, record: placed.record, plain: undefined, fill: bring }
  }
  const { history } = base.inside
  const owner = await request.claim?.({ history, objectDirs: request.source.objectDirs })
  if (owner === undefined) makeSlot(slot)
  const owned = { ...request, ...owner }
  const placed = await orRemoved(slot, request, place(slot, owned, base))
  const bring = () => orRemoved(slot, request, fill(caller, slot, { ...placed, request: owned }))
  return { slot, record: placed.record, plain: layer, fill: bring }
}

async function orRemoved<T>(slot: Slot, request: CreateRequest, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    await removeSlot(slot.dir, { commonDir: request.source.commonDir, runId: request.runId })
    throw told(error, request)
  }
}

function told(error: unknown, { slotDir, source }: CreateRequest): OpenExecError {
  if (error instanceof OpenExecError) return explained(error, source)
  return new OpenExecError('workspace_failed', `Cannot create workspace "${slotDir}"`, {
    hint: 'Check the free space and your rights below the state directory',
    cause: error,
  })
}

export interface Base {
  inside: Inside
  /** The tree as it was looked through, if it had to be before anything could be mounted. */
  survey: BaseTreeSurvey | undefined
}

export interface Placed extends Base {
  /** Without the submodules, which are known when the tree has been looked through. */
  record: WorkspaceRecord
}

/** What is hidden decides which history can be mounted; where nothing is, that is known already. */
async function lookAtBase(caller: GitCaller, request: CreateRequest): Promise<Base> {
  try {
    const survey = request.denyRead && (await surveyOf(caller, request))
    return { survey, inside: await insideOf(caller, request, survey?.denied ?? []) }
  } catch (error) {
    throw told(error, request)
  }
}

/** Everything that is mounted by itself, empty where it is a directory. */
async function place(
  slot: Slot,
  request: CreateRequest,
  { survey, inside }: Base,
): Promise<Placed> {
  writeMounted(slot, { tree: true })
  const record = recordOf(request, { inside, denied: survey?.denied ?? [] })
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
  const { memory } = caller.program
  const files = knownFiles(memory, { store, tree })
  addWorktreeEntry(source, { slot, runId, commit: anchor })
  const [survey] = await together([
    known ?? surveyOf(caller, request),
    files === undefined ? readTree(caller, store, { slot, tree }) : undefined,
    writePrivateGitDir(caller, source, { slot, runId, ...inside }).then(() =>
      packHistory(caller, slot, { source, ...inside }),
    ),
  ])
  record.submodules = survey.submodules
  const hidden = new Set(record.denied)
  const listed = survey.listed.filter((entry) => !hidden.has(entry.path))
  const mtimeS = fileTimeS(source.committedAtS, request.nowMs)
  const entries = files
    ? writeFiles(slot, files, { owner, mtimeS })
    : await materialise(caller, store, { slot, listed, owner, mtimeS })
  if (files === undefined) keepFiles(memory, { store, tree }, { slot, entries })
  writeIndex(slot, entries, store.objectFormat)
  giveAway(slot, owner, { tree: true })
  // Its presence says that the workspace is whole.
  writeRecord(slot, record)
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
    const readable = canRead(request.uid, source.objectDirs)
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

/** A failure on a partial clone is most likely a missing object. */
function explained(error: OpenExecError, source: Source): OpenExecError {
  if (!source.partial || error.code !== 'workspace_failed') return error
  return new OpenExecError('repository_invalid', error.message, {
    hint: 'The repository is a partial clone and nothing is fetched here: run `git fetch --refetch --no-filter`',
    cause: error,
  })
}
