/**
 * The one place of the program where git runs on the host. All of it happens to a repository that was
 * named, below a state directory this owns, in one hardened environment.
 */
import fs from 'node:fs'
import type { Applied } from './apply.ts'
import type { BlobReader } from './blob-reader.ts'
import { changedPath, type ChangedPath } from './changed-path.ts'
import type { SeedOptions } from './choose-seed.ts'
import { commitCheckpoint, type CommitRequest, commitTree, storeRef } from './commits.ts'
import type { CreateRequest } from './create-workspace.ts'
import {
  type DiffBytes,
  type DiffRequest,
  type DiffSummary,
  diffPatch,
  diffStat,
  diffSummary,
} from './diff.ts'
import type { GitProgram } from './git-process.ts'
import type { Merged } from './merge.ts'
import type { SlotLayout, WorkspaceMount } from './mounts.ts'
import { objectDirectories } from './object-directories.ts'
import type { ObjectStore } from './object-store.ts'
import {
  openRepositoryStore,
  openSource,
  type OpenSourceRequest,
  type Source,
} from './open-source.ts'
import { type KeptRefs, type PrunedStores, pruneStores } from './prune-store.ts'
import { commitHistory, type HistoryCommit, type HistoryRequest } from './history.ts'
import { changesBetween } from './raw-changes.ts'
import { commitLog, listTreeFiles, openTreeBlobs, type TreeFile } from './read-tree.ts'
import { removeSlot, type Swept, sweepSlots } from './remove-workspace.ts'
import { commitRef, resultCommit, type ResultRequest } from './result-commit.ts'
import { createRepositoryMemory } from './repository-memory.ts'
import { aheadOf, realSlot } from './slots-ahead.ts'
import { type Exchange, exchanging } from './exchange.ts'
import { placing } from './placing.ts'
import { readRecord, slotAt } from './slot.ts'
import { takingHome } from './take-home.ts'
import { pruneSeeds, SEED_LIMITS } from './seeds.ts'
import { checkGitVersion } from './source-git.ts'
import { createSourceMemory } from './source-memory.ts'
import { type Workspace, workspaceOver } from './workspace.ts'

type WorkspaceRequest = Omit<CreateRequest, 'limits' | 'nowMs' | 'seeds'> & { signal: AbortSignal }

/** `signal` ends every call with `cancelled`, leaving nothing half done. */
export interface Workspaces extends Exchange {
  /** Version of the host's git. Throws `workspace_failed` when there is none or it is older than 2.39. */
  checkGit(signal: AbortSignal): Promise<string>
  /** Throws `repository_invalid` or `repository_unsafe`, each with what to do about it. */
  openSource(request: OpenSourceRequest & { signal: AbortSignal }): Promise<Source>
  /** Where the results of a repository's runs are kept, without regard to its commits. */
  openStore(repositoryPath: string, signal: AbortSignal): Promise<ObjectStore>
  /** All or nothing; throws as `openSource()` does, and `workspace_failed`. */
  create(request: WorkspaceRequest): Promise<Workspace>
  /** The same as soon as it can be mounted: its files come with `Workspace.fill()`. */
  place(request: WorkspaceRequest): Promise<Workspace>
  /**
   * Makes a slot ahead of its run, empty; `place()` takes it over by `claim`. Throws
   * `workspace_failed`.
   */
  premake(slotDir: string, owner: { uid: number; gid: number }): void
  /** Whether a checkout with such objects is so large that its workspaces will lie over a shared one. */
  sharesFiles(objectDirs: readonly string[]): boolean
  /** What a sandbox mounts of such a slot. */
  premadeMounts(
    slotDir: string,
    layout: SlotLayout,
    access: Parameters<Workspace['mounts']>[0],
  ): WorkspaceMount[]
  /** What can be mounted of a repository for a user inside, where no path is hidden from it. */
  layoutFor(uid: number, objectDirs: readonly string[]): SlotLayout
  /** The repository of a path, without asking git. Throws as `openSource()` does. */
  locate(
    repositoryPath: string,
    signal: AbortSignal,
  ): Promise<{ root: string; objectDirs: readonly string[] }>
  /** A workspace made earlier, by this process or another. Throws `not_found`. */
  open(slotDir: string): Workspace
  /** Safe to repeat; quiet when there is nothing. */
  remove(slotDir: string): Promise<void>
  /** Removes every workspace and worktree entry no live run owns. */
  sweep(isLive: (runId: string) => boolean): Promise<Swept>
  /**
   * Commit of a checkpoint, kept as `refs/openexec/runs/<run>/<number>`; the same tree on the same
   * parent is always the same commit.
   */
  checkpoint(
    store: ObjectStore,
    request: { runId: string; number: number; tree: string; parent: string; signal: AbortSignal },
  ): Promise<string>
  /** A commit in the store that no ref points to. */
  commitTree(store: ObjectStore, request: CommitRequest & { signal: AbortSignal }): Promise<string>
  /** In the user's repository, only on request. Throws `conflict` when the branch exists. */
  createBranch(
    repositoryPath: string,
    request: { name: string; commit: string; signal: AbortSignal },
  ): Promise<void>
  /**
   * Into the branch that is checked out: files, index and branch together or not at all. Throws
   * `conflict`, with `details.conflicts` where paths are in the way.
   */
  merge(
    repositoryPath: string,
    request: { commit: string; message: string; signal: AbortSignal },
  ): Promise<Merged>
  /** The one commit a run is brought home as, made when there is none; kept in the store. */
  resultCommit(
    store: ObjectStore,
    request: ResultRequest & { signal: AbortSignal },
  ): Promise<string>
  /** Keeps a commit as the one `commit_changes` made. */
  keepCommit(
    store: ObjectStore,
    request: { runId: string; commit: string; signal: AbortSignal },
  ): Promise<void>
  /** Keeps a commit that a run is to begin with. */
  keepBase(store: ObjectStore, request: { commit: string; signal: AbortSignal }): Promise<void>
  /**
   * Forgets results of runs that are not kept; what a run at work has just written stays. Shared
   * checkouts go that are too many, too large or long unused.
   */
  prune(kept: KeptRefs, signal: AbortSignal): Promise<PrunedStores & { seeds: string[] }>
  changedPaths(
    store: ObjectStore,
    request: DiffRequest & { signal: AbortSignal },
  ): Promise<ChangedPath[]>
  diffSummary(
    store: ObjectStore,
    request: DiffRequest & { signal: AbortSignal },
  ): Promise<DiffSummary>
  /** `git apply` takes it byte for byte, unless it is truncated. */
  diffPatch(
    store: ObjectStore,
    request: DiffRequest & { maxBytes: number; signal: AbortSignal },
  ): Promise<DiffBytes>
  diffStat(
    store: ObjectStore,
    request: DiffRequest & { maxBytes: number; signal: AbortSignal },
  ): Promise<DiffBytes>
  /** Regular files of a tree; links and submodules left out. */
  listFiles(store: ObjectStore, request: { tree: string; signal: AbortSignal }): Promise<TreeFile[]>
  /** Reads blobs through one process; the caller closes it. */
  openBlobs(store: ObjectStore, signal: AbortSignal): BlobReader
  log(
    store: ObjectStore,
    request: { commit: string; limit: number; signal: AbortSignal },
  ): Promise<string>
  /** What the last commits changed, newest first. */
  history(
    store: ObjectStore,
    request: HistoryRequest & { signal: AbortSignal },
  ): Promise<HistoryCommit[]>
  /** Throws `conflict` with `details.conflicts`; nothing is changed then. */
  apply(repositoryPath: string, request: DiffRequest & { signal: AbortSignal }): Promise<Applied>
}

interface WorkspacesOptions {
  stateDir: string
  searchPath: string
  now(): number
  /** For a process that lives long: what it has learnt of a repository is not asked again. */
  remembers?: boolean
  /** Lets large trees lie over a checkout they share; left out, every workspace has its own files. */
  seeds?: SeedOptions
}

/** `stateDir` must exist; `searchPath` finds git; `now` is epoch `ms`. */
export function createWorkspaces(options: WorkspacesOptions): Workspaces {
  // Mounts must not lead through links, so every path below is a real one.
  const stateDir = fs.realpathSync(options.stateDir)
  const program = programOf(options)
  const memory = createSourceMemory(program)
  const open = async (start: string, signal: AbortSignal) =>
    openRepositoryStore({ program, signal }, stateDir, start)
  const place = placing(program, { ...options, stateDir })
  return {
    checkGit: (signal) => checkGitVersion(program, signal),
    openSource: ({ signal, ...request }) =>
      openSource({ program, signal }, stateDir, { ...request, memory }),
    async locate(repositoryPath, signal) {
      const { found } = await open(repositoryPath, signal)
      return { root: found.root, objectDirs: objectDirectories(found.commonDir) }
    },
    openStore: async (repositoryPath, signal) => (await open(repositoryPath, signal)).store,
    async create(request) {
      const workspace = await place(request)
      await workspace.fill()
      return workspace
    },
    place,
    open(slotDir) {
      const slot = slotAt(realSlot(slotDir))
      const made = { plain: undefined, fill: async () => {} }
      return workspaceOver(program, { slot, record: readRecord(slot), ...made, now: options.now })
    },
    remove: (slotDir) => removeSlot(realSlot(slotDir), undefined),
    sweep: (isLive) => sweepSlots(stateDir, isLive),
    ...aheadOf(options.seeds),
    checkpoint: (store, { signal, ...request }) =>
      commitCheckpoint({ program, signal }, store, request),
    commitTree: (store, { signal, ...request }) => commitTree({ program, signal }, store, request),
    resultCommit: (store, { signal, ...request }) =>
      resultCommit({ program, signal }, store, request),
    keepCommit: (store, { runId, commit, signal }) =>
      storeRef({ program, signal }, store, { ref: commitRef(runId), commit }),
    keepBase: (store, { commit, signal }) =>
      storeRef({ program, signal }, store, { ref: `refs/openexec/base/${commit}`, commit }),
    prune: async (kept, signal) => ({
      ...(await pruneStores({ program, signal }, stateDir, kept)),
      seeds: await pruneSeeds(stateDir, SEED_LIMITS, options.now()),
    }),
    changedPaths: async (store, { signal, ...trees }) =>
      (await changesBetween({ program, signal }, store, trees)).map(changedPath),
    diffSummary: (store, { signal, ...trees }) => diffSummary({ program, signal }, store, trees),
    diffPatch: (store, { signal, ...request }) => diffPatch({ program, signal }, store, request),
    diffStat: (store, { signal, ...request }) => diffStat({ program, signal }, store, request),
    listFiles: (store, { tree, signal }) => listTreeFiles({ program, signal }, store, tree),
    openBlobs: (store, signal) => openTreeBlobs({ program, signal }, store),
    ...exchanging(program, { stateDir, now: options.now }),
    ...takingHome(program, { stateDir, open, now: options.now }),
    log: (store, { signal, ...request }) => commitLog({ program, signal }, store, request),
    history: (store, { signal, ...request }) => commitHistory({ program, signal }, store, request),
  }
}

function programOf(options: { searchPath: string; remembers?: boolean }): GitProgram {
  const { searchPath, remembers = false } = options
  const memory = remembers ? createRepositoryMemory() : undefined
  return { searchPath, timeoutMs: GIT_TIMEOUT_MS, memory }
}

/** Longest any one git process may take. */
const GIT_TIMEOUT_MS = 300_000
