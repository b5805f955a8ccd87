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
  const fromBase = (to: GitOid) => ({ from: baseTree, to, signal })
  let files: Promise<TreeFile[]> | undefined
  return {
    baseCommit,
    baseTree,
    ...trackFiles(baseTree, async () => {
      const taken = await workspace.snapshot({ baseTree, limits: SNAPSHOT_LIMITS, signal })
      return GitOid.parse(taken.tree)
    }),
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
      const summary = await workspaces.diffSummary(store, fromBase(tree))
      const { files: count, insertions, deletions } = summary
      return { files: count, insertions, deletions }
    },
    baseFiles: async () =>
      await (files ??= workspaces.listFiles(store, { tree: baseTree, signal })),
    ...blobsOf(() => workspaces.openBlobs(store, signal)),
    async commit(tree, message) {
      const commit = await workspaces.commitTree(store, {
        tree,
        parents: [baseCommit],
        message: `${message.trimEnd()}\n`,
        author: undefined,
        signal,
      })
      await workspaces.keepCommit(store, { runId: workspace.runId, commit, signal })
      return commit
    },
    recentChanges: async (limit) =>
      await workspaces.history(store, { commit: baseCommit, limit, messages: false, signal }),
    log: async (limit) => await workspaces.log(store, { commit: baseCommit, limit, signal }),
  }
}

/** Looks at the files only when something may have changed them since the last look that was final. */
function trackFiles(
  baseTree: GitOid,
  look: () => Promise<GitOid>,
): Pick<OwnedTree, 'touch' | 'isTouched' | 'settle' | 'snapshot'> {
  let known = baseTree
  let touched = false
  return {
    touch: () => void (touched = true),
    isTouched: () => touched,
    settle(tree) {
      known = tree
      touched = false
    },
    snapshot: async () => (touched ? await look() : known),
  }
}

/** One process answers one question at a time; it starts with the first. */
function blobsOf(
  open: () => ReturnType<Workspaces['openBlobs']>,
): Pick<OwnedTree, 'readBlob' | 'close'> {
  let blobs: ReturnType<typeof open> | undefined
  let asked: Promise<unknown> = Promise.resolve()
  return {
    readBlob(oid, maxBytes) {
      blobs ??= open()
      const reader = blobs
      const answer = asked.then(() => reader.read(oid, maxBytes))
      asked = answer.catch(() => {})
      return answer
    },
    close: async () => await blobs?.close(),
  }
}
