/** Creates a branch in the user's repository. Beside a merge, nothing else writes objects or refs to it. */
import fs from 'node:fs'
import { OpenExecError } from '../schema/index.ts'
import type { FoundRepository } from './find-repository.ts'
import { runGit, SMALL_OUTPUT_BYTES } from './git-process.ts'
import { type GitCaller, gitTry } from './git.ts'
import { FIXED_IDENTITY, type ObjectStore, storePlace } from './object-store.ts'
import { sourcePlace } from './open-source.ts'
import { transferCommit } from './transfer.ts'

const TIPS_MAX = 1000

/**
 * Sends the commit over and points a new branch to it. Throws `conflict` when the branch exists,
 * `bad_request` for a name git does not allow.
 */
export async function createBranch(
  caller: GitCaller,
  store: ObjectStore,
  request: { repository: FoundRepository; name: string; commit: string },
): Promise<void> {
  const { repository, name, commit } = request
  const ref = `refs/heads/${name}`
  const to = sourcePlace(repository)
  const allowed = await gitTry(caller, storePlace(store), ['check-ref-format', ref])
  if (allowed.code !== 0 || name.startsWith('-')) throw badName(name)
  if (await has(caller, repository, ref)) throw taken(name)
  const user = ownerOf(repository)
  await sendCommit(caller, store, { repository, commit })
  const zero = '0'.repeat(commit.length)
  const { code, stderr } = await runGit(caller.program, {
    place: to,
    args: ['update-ref', '--create-reflog', '-m', 'openexec: branch created', ref, commit, zero],
    env: { GIT_COMMITTER_NAME: FIXED_IDENTITY.name, GIT_COMMITTER_EMAIL: FIXED_IDENTITY.email },
    user,
    signal: caller.signal,
    input: '',
    maxBytes: SMALL_OUTPUT_BYTES,
  })
  if (code === 0) return
  if (await has(caller, repository, ref)) throw taken(name)
  throw new OpenExecError('workspace_failed', `Cannot create branch "${name}": ${stderr}`, {
    hint: 'Check your rights on the repository, and for a branch whose name is a prefix of this one',
  })
}

/** The commit with all it needs, checked on arrival; quiet when the repository has it. */
export async function sendCommit(
  caller: GitCaller,
  store: ObjectStore,
  { repository, commit }: { repository: FoundRepository; commit: string },
): Promise<void> {
  if (await has(caller, repository, `${commit}^{commit}`)) return
  const known = await tips(caller, repository)
  const to = sourcePlace(repository)
  const user = ownerOf(repository)
  await transferCommit(caller, { id: commit, known }, { from: storePlace(store), to, user })
}

async function has(caller: GitCaller, repository: FoundRepository, name: string): Promise<boolean> {
  const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', name]
  return (await gitTry(caller, sourcePlace(repository), args)).code === 0
}

/** Commits the repository has for sure, newest first. */
async function tips(caller: GitCaller, repository: FoundRepository): Promise<string[]> {
  const args = [
    'for-each-ref',
    `--count=${TIPS_MAX}`,
    '--sort=-committerdate',
    '--format=%(objectname)',
    'refs/heads',
    'refs/remotes',
  ]
  const listed = (await gitTry(caller, sourcePlace(repository), args)).stdout.toString('latin1')
  const head = (
    await gitTry(caller, sourcePlace(repository), ['rev-parse', '--verify', '--quiet', 'HEAD'])
  ).stdout
  return [...new Set([...listed.split('\n'), head.toString('latin1').trim()])].filter(
    (oid) => oid !== '',
  )
}

/** What is written belongs to whoever owns the repository. */
export function ownerOf(repository: FoundRepository): { uid: number; gid: number } | undefined {
  const { uid, gid } = fs.statSync(repository.commonDir)
  return process.getuid?.() === 0 && uid !== 0 ? { uid, gid } : undefined
}

function badName(name: string): OpenExecError {
  return new OpenExecError(
    'bad_request',
    `Cannot create branch ${JSON.stringify(name)}: not a branch name`,
    {
      hint: 'See `git help check-ref-format` for what a branch may be called',
    },
  )
}

function taken(name: string): OpenExecError {
  return new OpenExecError('conflict', `Cannot create branch "${name}": it exists`, {
    hint: 'Choose another name, or delete the branch first',
  })
}
