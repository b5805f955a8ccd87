/**
 * Merges a commit of the object store into the branch that is checked out: files, index and branch
 * change together or not at all. Git only ever merges trees, in our store and configuration; hooks,
 * filters and merge drivers of the repository have no part in it.
 */
import fs from 'node:fs'
import path from 'node:path'
import { OpenExecError } from '../schema/index.ts'
import { applyToCheckout } from './apply.ts'
import { recoverApply } from './apply-journal.ts'
import { ownerOf, sendCommit } from './branch.ts'
import { commitTree } from './commits.ts'
import type { RepositoryConfig } from './config-file.ts'
import type { FoundRepository } from './find-repository.ts'
import { type GitCaller, gitLine, gitTry } from './git.ts'
import { runGit, SMALL_OUTPUT_BYTES } from './git-process.ts'
import { prepareIndex } from './merge-index.ts'
import { FIXED_IDENTITY, type ObjectStore, storePlace } from './object-store.ts'
import { sourcePlace } from './open-source.ts'
import { readHead, readRef } from './read-head.ts'

export interface Merged {
  /** What the branch points to. */
  commit: string
  branch: string
  how: 'already_there' | 'fast_forward' | 'merge_commit'
}

export interface MergeRequest {
  repository: FoundRepository
  config: RepositoryConfig
  stateDir: string
  commit: string
  /** Of a merge commit, should one be needed. */
  message: string
  nowMs: number
}

const CONFLICTS_SHOWN_MAX = 100
/** What git keeps beside the index while something of the user's is half done. */
const UNFINISHED = [
  'MERGE_HEAD',
  'CHERRY_PICK_HEAD',
  'REVERT_HEAD',
  'rebase-merge',
  'rebase-apply',
  'index.lock',
]

/**
 * Throws `conflict`, with `details.conflicts` where paths are in the way; nothing is changed then.
 */
export async function mergeCommit(
  caller: GitCaller,
  store: ObjectStore,
  request: MergeRequest,
): Promise<Merged> {
  const { repository, commit } = request
  await recoverApply(repository)
  const { head, branch } = startOf(repository)
  const merged = await mergedCommit(caller, store, { ...request, head })
  if (merged.commit === head) return { commit: head, branch, how: 'already_there' }
  const [from, to] = await Promise.all(
    [head, merged.commit].map((each) =>
      gitLine(caller, storePlace(store), ['rev-parse', '--verify', `${each}^{tree}`]),
    ),
  )
  if (from === undefined || to === undefined) throw new Error(`Cannot merge ${commit}: no trees`)
  await sendCommit(caller, store, { repository, commit: merged.commit })
  const index = await prepareIndex(caller, store, { repository, from, to })
  const fileMode = request.config.get('core.filemode') !== 'false'
  const ref = `refs/heads/${branch}`
  const update = { ref, from: head, to: merged.commit }
  try {
    await applyToCheckout(caller, store, {
      checkout: repository,
      fileMode,
      from,
      to,
      stateDir: request.stateDir,
      seal: {
        note: { ref, to: merged.commit },
        // Should the branch have moved meanwhile, index and files go back.
        async close() {
          index.put()
          await moveBranch(caller, repository, update).catch((error: unknown) => {
            index.takeBack()
            throw error
          })
        },
      },
    })
  } finally {
    index.drop()
  }
  return { ...merged, branch }
}

function startOf(repository: FoundRepository): { head: string; branch: string } {
  const unfinished = UNFINISHED.find((name) => fs.existsSync(path.join(repository.gitDir, name)))
  if (unfinished !== undefined)
    throw new OpenExecError(
      'conflict',
      `Cannot merge into "${repository.root}": git is in the middle of something ("${unfinished}")`,
      { hint: 'See `git status` for how to finish or abort it' },
    )
  const head = readHead(repository)
  if (head?.branch === undefined)
    throw new OpenExecError(
      'conflict',
      `Cannot merge into "${repository.root}": no branch is checked out`,
      { hint: 'Check out a branch, or make one of the run with `openexec branch`' },
    )
  return { head: head.oid, branch: head.branch }
}

async function mergedCommit(
  caller: GitCaller,
  store: ObjectStore,
  request: MergeRequest & { head: string },
): Promise<Pick<Merged, 'commit' | 'how'>> {
  const { head, commit, message, config, nowMs } = request
  if (await isAncestor(caller, store, [commit, head])) return { commit: head, how: 'already_there' }
  if (await isAncestor(caller, store, [head, commit])) return { commit, how: 'fast_forward' }
  const tree = await mergedTree(caller, store, request)
  const author = { ...identityOf(config), atMs: nowMs }
  const parents = [head, commit]
  const made = await commitTree(caller, store, { tree, parents, message, author })
  return { commit: made, how: 'merge_commit' }
}

async function isAncestor(
  caller: GitCaller,
  store: ObjectStore,
  [older, newer]: readonly [string, string],
): Promise<boolean> {
  const args = ['merge-base', '--is-ancestor', older, newer]
  return (await gitTry(caller, storePlace(store), args)).code === 0
}

async function mergedTree(
  caller: GitCaller,
  store: ObjectStore,
  { head, commit, repository }: MergeRequest & { head: string },
): Promise<string> {
  const args = ['merge-tree', '--write-tree', '-z', '--name-only', '--no-messages', head, commit]
  const { code, stdout, stderr } = await gitTry(caller, storePlace(store), args)
  const [tree = '', ...paths] = stdout.toString('utf8').split('\0')
  if (code === 0) return tree.trim()
  if (code !== 1)
    throw new OpenExecError('conflict', `Cannot merge into "${repository.root}": ${stderr}`, {
      hint: 'Make a branch of the run with `openexec branch`, and merge that by hand',
    })
  const conflicts = [...new Set(paths)].filter((name) => name !== '')
  const more = conflicts.length > 5 ? `, and ${conflicts.length - 5} more` : ''
  const names = conflicts.slice(0, 5).map((name) => JSON.stringify(name))
  throw new OpenExecError(
    'conflict',
    `Cannot merge into "${repository.root}": ${conflicts.length} conflicts: ${names.join(', ')}${more}`,
    {
      hint: 'Nothing was changed. Make a branch of the run with `openexec branch`, and merge that by hand',
      details: {
        conflicts: conflicts
          .slice(0, CONFLICTS_SHOWN_MAX)
          .map((name) => ({ path: name, reason: 'both_changed' })),
      },
    },
  )
}

/** Of the repository's own configuration; that of the account is never read. */
function identityOf(config: RepositoryConfig): { name: string; email: string } {
  const plain = (text: string | undefined): string =>
    (text ?? '').replaceAll(/[\p{C}<>]/gu, '').trim()
  const [name, email] = [plain(config.get('user.name')), plain(config.get('user.email'))]
  return name === '' || email === '' ? FIXED_IDENTITY : { name, email }
}

async function moveBranch(
  caller: GitCaller,
  repository: FoundRepository,
  { ref, from, to }: { ref: string; from: string; to: string },
): Promise<void> {
  // Not to be cut short: whether it has moved must be known.
  const { signal } = new AbortController()
  const { code, stderr } = await runGit(caller.program, {
    place: sourcePlace(repository),
    args: ['update-ref', '-m', 'openexec: merge', ref, to, from],
    env: { GIT_COMMITTER_NAME: FIXED_IDENTITY.name, GIT_COMMITTER_EMAIL: FIXED_IDENTITY.email },
    user: ownerOf(repository),
    signal,
    input: '',
    maxBytes: SMALL_OUTPUT_BYTES,
  })
  if (code === 0) return
  if (readRef(repository.commonDir, ref) === to) return
  throw new OpenExecError(
    'conflict',
    `Cannot merge into "${repository.root}": its branch cannot be moved: ${stderr}`,
    { hint: 'Nothing was changed. Try again when nothing else moves the branch' },
  )
}
