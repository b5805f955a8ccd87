/** The tree of a run as actions see it: what is in it, what changed, what it was. */
import { GitOid, OpenExecError } from '../schema/index.ts'
import {
  SNAPSHOT_LIMITS,
  type TreeFile,
  type Workspace,
  type Workspaces,
} from '../workspace/index.ts'
import type { ChangedFile, RunTree } from './action.ts'

const PATCH_BYTES_MAX = 64 * 1024 * 1024

const STATUS = {
  added: 'added',
  deleted: 'deleted',
  modified: 'modified',
  type_changed: 'modified',
} as const

/** The tree with what only its environment may do. */
export interface OwnedTree extends RunTree {
  /** A sandbox may change files from now on. */
  touch(): void
  /** Whether files may differ from what was last known. */
  isTouched(): boolean
  /** The files are those of `tree`, and no command runs that could change them. */
  settle(tree: GitOid): void
  /** Ends the process that blobs are read through. */
  close(): Promise<void>
}

export function createRunTree(
  { workspaces, workspace }: { workspaces: Workspaces; workspace: Workspace },
  signal: AbortSignal,
): OwnedTree {
  const { store } = workspace
  const baseTree = GitOid.parse(workspace.baseTree)
  const baseCommit = GitOid.parse(workspace.baseCommit)
  let known = baseTree
  let touched = false
  let files: Promise<TreeFile[]> | undefined
  let blobs: ReturnType<Workspaces['openBlobs']> | undefined
  let asked: Promise<unknown> = Promise.resolve()
  const fromBase = (to: GitOid) => ({ from: baseTree, to, signal })
  return {
    baseCommit,
    baseTree,
    touch: () => void (touched = true),
    isTouched: () => touched,
    settle(tree) {
      known = tree
      touched = false
    },
    async snapshot() {
      if (!touched) return known
      const taken = await workspace.snapshot({ baseTree, limits: SNAPSHOT_LIMITS, signal })
      known = GitOid.parse(taken.tree)
      return known
    },
    changes: async (tree) =>
      (await workspaces.changedPaths(store, fromBase(tree))).map(
        ({ path, status }): ChangedFile => ({ path, status: STATUS[status] }),
      ),
    async patch(tree) {
      const request = { ...fromBase(tree), maxBytes: PATCH_BYTES_MAX }
      const { bytes, truncated } = await workspaces.diffPatch(store, request)
      if (!truncated) return bytes
      throw new OpenExecError(
        'workspace_failed',
        `Cannot write the changes as a patch: they have more than ${PATCH_BYTES_MAX} bytes`,
        { hint: 'Let the task remove what it does not need, or ignore generated directories' },
      )
    },
    async stat(tree) {
      const { files: count, insertions, deletions } = await workspaces.diffSummary(store, fromBase(tree))
      return { files: count, insertions, deletions }
    },
    baseFiles: async () => await (files ??= workspaces.listFiles(store, { tree: baseTree, signal })),
    readBlob(oid, maxBytes) {
      blobs ??= workspaces.openBlobs(store, signal)
      const reader = blobs
      // One process answers one question at a time.
      const answer = asked.then(() => reader.read(oid, maxBytes))
      asked = answer.catch(() => {})
      return answer
    },
    close: async () => await blobs?.close(),
    commit: async (tree, message) =>
      await workspaces.commitTree(store, {
        tree,
        parents: [baseCommit],
        message: `${message.trimEnd()}\n`,
        author: undefined,
        signal,
      }),
    log: async (limit) => await workspaces.log(store, { commit: baseCommit, limit, signal }),
  }
}
