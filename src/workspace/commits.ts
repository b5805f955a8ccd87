/**
 * Commits and refs made on the host, by plumbing. Author, committer and date are fixed unless the
 * caller names an author, so the same tree on the same parent is always the same commit.
 */
import { OpenExecError } from '../schema/index.ts'
import { git, SMALL_OUTPUT_BYTES } from './git-process.ts'
import { type GitCaller, gitTry } from './git.ts'
import { FIXED_IDENTITY, type ObjectStore, storePlace } from './object-store.ts'

export interface CommitRequest {
  tree: string
  parents: readonly string[]
  message: string
  /** Undefined takes the fixed identity. */
  author: { name: string; email: string; atMs: number } | undefined
}

/** Writes a commit to the object store and returns its id; no ref points to it yet. */
export async function commitTree(
  caller: GitCaller,
  store: ObjectStore,
  request: CommitRequest,
): Promise<string> {
  const { author } = request
  const name = author === undefined ? FIXED_IDENTITY.name : identityText(author.name, 'name')
  const email = author === undefined ? FIXED_IDENTITY.email : identityText(author.email, 'email')
  const seconds = author === undefined ? undefined : Math.floor(author.atMs / 1000)
  const date = seconds === undefined ? FIXED_IDENTITY.date : `@${seconds} +0000`
  const parents = request.parents.flatMap((parent) => ['-p', parent])
  const bytes = await git(caller.program, {
    place: storePlace(store),
    args: ['commit-tree', ...parents, request.tree],
    env: {
      GIT_AUTHOR_NAME: name,
      GIT_AUTHOR_EMAIL: email,
      GIT_AUTHOR_DATE: date,
      GIT_COMMITTER_NAME: name,
      GIT_COMMITTER_EMAIL: email,
      GIT_COMMITTER_DATE: date,
    },
    user: undefined,
    signal: caller.signal,
    input: request.message,
    maxBytes: SMALL_OUTPUT_BYTES,
  })
  return bytes.toString('latin1').trim()
}

/** Points a ref of the store to a commit, whatever it pointed to. */
export async function storeRef(
  caller: GitCaller,
  store: ObjectStore,
  update: { ref: string; commit: string },
): Promise<void> {
  const { code, stderr } = await gitTry(caller, storePlace(store), [
    'update-ref',
    update.ref,
    update.commit,
  ])
  if (code === 0) return
  throw new OpenExecError('workspace_failed', `Cannot write ref "${update.ref}": ${stderr}`)
}

/** Commit of a checkpoint, kept by its number. */
export async function commitCheckpoint(
  caller: GitCaller,
  store: ObjectStore,
  at: { runId: string; number: number; tree: string; parent: string },
): Promise<string> {
  const { tree, parent } = at
  const request = { tree, parents: [parent], message: 'Checkpoint\n', author: undefined }
  const commit = await commitTree(caller, store, request)
  await storeRef(caller, store, { ref: `refs/openexec/runs/${at.runId}/${at.number}`, commit })
  return commit
}

function identityText(value: string, what: string): string {
  if (value !== '' && !/[\p{C}<>]/u.test(value)) return value
  throw new OpenExecError(
    'bad_request',
    `Cannot commit with author ${what} ${JSON.stringify(value)}`,
    {
      hint: 'Use plain text without control characters, "<" and ">"',
    },
  )
}
