/**
 * Opens the repository a run starts from: which commit, which tree, and what a run on it should know
 * (uncommitted changes, submodules, a shallow history). Nothing is written to it.
 */
import fs from 'node:fs'
import path from 'node:path'
import { OpenExecError } from '../schema/index.ts'
import { type BytePath, toText } from './byte-path.ts'
import type { ObjectFormat } from './content.ts'
import { type DirtyState, inspectCheckout } from './dirty-checkout.ts'
import { checkFormat, findRepository, type FoundRepository } from './find-repository.ts'
import { barePlace, NOWHERE, type GitPlace } from './git-environment.ts'
import { readPlainConfig, type RepositoryConfig } from './config-file.ts'
import { type CommitFacts, readCommitFacts } from './commit-facts.ts'
import { type GitCaller, gitTry } from './git.ts'
import { objectDirectories } from './object-directories.ts'
import { type ObjectStore, openObjectStore } from './object-store.ts'
import { readHead } from './read-head.ts'
import { isKept, keptStart, type Start } from './kept-source.ts'
import { openSourceGit, type SourceGit } from './source-git.ts'
import { remember, type SourceMemory } from './source-memory.ts'
import { takeUncommitted } from './uncommitted-base.ts'

export interface OpenSourceRequest {
  /** Any directory inside the checkout. */
  path: string
  /** Branch, tag or commit; undefined takes what is checked out. */
  ref: string | undefined
  /** Takes uncommitted and untracked, not ignored, files into the base commit. */
  includeDirty: boolean
}

export interface Source extends FoundRepository {
  objectFormat: ObjectFormat
  /** Object directories of the repository and all it borrows from, nearest first. */
  objectDirs: readonly string[]
  /** Base commit of the run. */
  commit: string
  tree: string
  /** When `commit` was made, in seconds of the epoch. */
  committedAtS: number
  /** The commit of the user's own that `commit` is, or stands on when uncommitted changes are in it. */
  anchor: string
  /** Branch checked out, when the run starts from what is checked out. */
  branch: string | undefined
  dirty: DirtyState
  /** Paths of submodules: empty directories in a workspace. */
  submodules: readonly string[]
  shallow: boolean
  /** Whether objects may be missing because the clone was made with a filter. */
  partial: boolean
  store: ObjectStore
  /** Whether it is kept by the program itself, without a checkout. */
  kept: boolean
}

/** Nothing is checked out that could differ. */
const NO_FILES: DirtyState = { tracked: 0, untracked: 0, complete: true }

const REF_PATTERN = /^(?!-)[A-Za-z0-9._/@{}^~+-]{1,200}$/

/**
 * Throws `repository_invalid` (no such path, no repository, bare, no commits, unknown ref) or
 * `repository_unsafe` (extensions not known here), each with what to do about it.
 */
export async function openSource(
  caller: GitCaller,
  stateDir: string,
  request: OpenSourceRequest & { memory: SourceMemory },
): Promise<Source> {
  const { memory } = request
  const version = memory.gitVersion(caller.signal)
  // Awaited when git has been asked all else.
  version.catch(() => undefined)
  const { found, config, store } = await openRepositoryStore(caller, stateDir, request.path)
  const kept = isKept(stateDir, found.root)
  const { head, anchor, branch } = await (kept
    ? keptStart(request.ref)
    : startOf(caller, found, request))
  const checkout = { found, store, head }
  const commit = request.includeDirty ? await takeUncommitted(caller, checkout) : anchor
  const [dirty, facts] = await Promise.all([
    kept ? NO_FILES : inspectCheckout(caller, checkout, { stateDir }),
    factsOf(caller, memory, { store, commit }),
    version,
  ])
  if (facts === undefined) throw noCommits(request.path)
  if (facts.statePath !== undefined && isWithin(stateDir, found.root))
    throw tracksState(found.root, facts.statePath)
  return {
    ...found,
    objectFormat: store.objectFormat,
    objectDirs: objectDirectories(found.commonDir),
    commit,
    tree: facts.tree,
    committedAtS: facts.committedAtS,
    anchor,
    branch,
    dirty,
    submodules: facts.submodules.map(toText),
    shallow: fs.existsSync(path.join(found.commonDir, 'shallow')),
    partial: isPartial(config),
    store,
    kept,
  }
}

async function factsOf(
  caller: GitCaller,
  memory: SourceMemory,
  { store, commit }: { store: ObjectStore; commit: string },
): Promise<CommitFacts | undefined> {
  const key = `${store.gitDir} ${commit}`
  const known = memory.commits.get(key)
  if (known !== undefined) return known
  const facts = await readCommitFacts(caller, store, commit)
  return facts === undefined ? undefined : remember(memory.commits, key, facts)
}

/** What is checked out, and the commit asked for. */
async function startOf(
  caller: GitCaller,
  found: FoundRepository,
  request: OpenSourceRequest,
): Promise<Start> {
  const { ref } = request
  const read = readHead(found)
  if (ref === undefined && read !== undefined)
    return { head: read.oid, anchor: read.oid, branch: read.branch }
  const client = await openSourceGit(caller.program, sourcePlace(found), caller.signal)
  const [head, named, branch] = await Promise.all([
    read?.oid ?? resolveHead(client),
    ref === undefined ? undefined : resolveRef(client, ref, request),
    ref === undefined ? currentBranch(client) : undefined,
  ])
  const anchor = ref === undefined ? head : named
  if (anchor === undefined) throw noCommits(request.path)
  return { head: head ?? anchor, anchor, branch }
}

function isWithin(directory: string, root: string): boolean {
  return directory.startsWith(`${root}${path.sep}`)
}

/** A checkout would write into the state directory, and whoever wrote the commit would own it. */
function tracksState(root: string, statePath: BytePath): OpenExecError {
  return new OpenExecError(
    'repository_unsafe',
    `Cannot use repository "${root}": its commit holds ${JSON.stringify(toText(statePath))}, which belongs to OpenExec`,
    { hint: 'Name a state directory outside of the repository with --state DIR' },
  )
}

/** The repository of a path and where its results are kept; needs no commit and no ref. */
export async function openRepositoryStore(
  caller: GitCaller,
  stateDir: string,
  start: string,
): Promise<{ found: FoundRepository; config: RepositoryConfig; store: ObjectStore }> {
  const found = findRepository(start)
  const file = path.join(found.commonDir, 'config')
  const config = readPlainConfig(file) ?? (await readConfig(caller, file))
  const objectFormat = checkFormat(config, found.root)
  const store = openObjectStore(stateDir, { commonDir: found.commonDir, objectFormat })
  return { found, config, store }
}

function isPartial(config: RepositoryConfig): boolean {
  if (config.has('extensions.partialclone')) return true
  return [...config.keys()].some((key) => /^remote\..*\.promisor$/.test(key))
}

export function sourcePlace(found: FoundRepository): GitPlace {
  return { ...barePlace(found.gitDir), commonDir: found.commonDir }
}

/** The repository's own configuration file, without includes. */
async function readConfig(caller: GitCaller, file: string): Promise<RepositoryConfig> {
  const args = ['config', '--file', file, '--no-includes', '--list', '--null']
  const listed = await gitTry(caller, barePlace(NOWHERE), args)
  if (listed.code !== 0) {
    throw new OpenExecError('repository_invalid', `Cannot read "${file}"`, {
      hint: 'Check your rights on the repository and run `git config --list` in it',
    })
  }
  return new Map(
    listed.stdout
      .toString('utf8')
      .split('\0')
      .map((record) => {
        const [key = '', ...value] = record.split('\n')
        return [key.toLowerCase(), value.join('\n')] as const
      }),
  )
}

async function resolveRef(
  client: SourceGit,
  ref: string,
  request: OpenSourceRequest,
): Promise<string> {
  if (request.includeDirty && ref !== 'HEAD') {
    throw new OpenExecError('bad_request', `Cannot take uncommitted changes with ref "${ref}"`, {
      hint: 'Leave out either the ref or the uncommitted changes',
    })
  }
  if (!REF_PATTERN.test(ref) || ref.includes('..') || ref.includes('@{')) {
    throw new OpenExecError(
      'repository_invalid',
      `Cannot use ref ${JSON.stringify(ref)}: malformed`,
      {
        hint: 'Name a branch, a tag or a commit id',
      },
    )
  }
  const commit = await client.ask([...VERIFY, '--end-of-options', `${ref}^{commit}`])
  if (commit !== undefined && commit !== '') return commit
  throw new OpenExecError('repository_invalid', `Cannot find ref "${ref}" in "${request.path}"`, {
    hint: 'See `git branch --all` and `git tag` for what there is; fetch it first if it is remote',
  })
}

const VERIFY = ['rev-parse', '--verify', '--quiet']

async function resolveHead(client: SourceGit): Promise<string | undefined> {
  const commit = await client.ask([...VERIFY, 'HEAD^{commit}'])
  return commit === '' ? undefined : commit
}

function noCommits(start: string): OpenExecError {
  return new OpenExecError(
    'repository_invalid',
    `Cannot use repository "${start}": it has no commits`,
    {
      hint: 'Commit something first: `git add -A && git commit -m "First commit"`',
    },
  )
}

async function currentBranch(client: SourceGit): Promise<string | undefined> {
  const branch = await client.ask(['symbolic-ref', '--quiet', '--short', 'HEAD'])
  return branch === '' ? undefined : branch
}
