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
import { type GitCaller, gitLine } from './git.ts'
import { type ObjectStore, openObjectStore, storePlace } from './object-store.ts'
import { openSourceGit, type SourceGit } from './source-git.ts'
import { surveyCommit } from './survey-commit.ts'
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
}

const ALTERNATES_MAX = 16
const REF_PATTERN = /^(?!-)[A-Za-z0-9._/@{}^~+-]{1,200}$/

/**
 * Throws `repository_invalid` (no such path, no repository, bare, no commits, unknown ref) or
 * `repository_unsafe` (extensions not known here), each with what to do about it.
 */
export async function openSource(
  caller: GitCaller,
  stateDir: string,
  request: OpenSourceRequest,
): Promise<Source> {
  const { found, config, store } = await openRepositoryStore(caller, stateDir, request.path)
  const { head, anchor, branch } = await startOf(caller, found, request)
  const checkout = { found, store, head }
  const commit = request.includeDirty ? await takeUncommitted(caller, checkout) : anchor
  const [dirty, tree, survey] = await Promise.all([
    inspectCheckout(caller, checkout),
    gitLine(caller, storePlace(store), ['rev-parse', `${commit}^{tree}`]),
    surveyCommit(caller, store, commit),
  ])
  if (survey.statePath !== undefined && isWithin(stateDir, found.root))
    throw tracksState(found.root, survey.statePath)
  return {
    ...found,
    objectFormat: store.objectFormat,
    objectDirs: objectDirectories(found.commonDir),
    commit,
    tree,
    anchor,
    branch,
    dirty,
    submodules: survey.submodules.map(toText),
    shallow: fs.existsSync(path.join(found.commonDir, 'shallow')),
    partial: isPartial(config),
    store,
  }
}

/** What is checked out, and the commit asked for. */
async function startOf(
  caller: GitCaller,
  found: FoundRepository,
  request: OpenSourceRequest,
): Promise<{ head: string; anchor: string; branch: string | undefined }> {
  const { ref } = request
  const client = () => openSourceGit(caller.program, sourcePlace(found), caller.signal)
  const [head, named, branch] = await Promise.all([
    resolveHead(client()),
    ref === undefined ? undefined : resolveRef(client(), ref, request),
    ref === undefined ? currentBranch(client()) : undefined,
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
  const config = await readConfig(caller, found.commonDir)
  const objectFormat = checkFormat(config, found.root)
  const store = openObjectStore(stateDir, { commonDir: found.commonDir, objectFormat })
  return { found, config, store }
}

/** Keys in lower case; a key without a value has an empty one. */
export type RepositoryConfig = ReadonlyMap<string, string>

function isPartial(config: RepositoryConfig): boolean {
  if (config.has('extensions.partialclone')) return true
  return [...config.keys()].some((key) => /^remote\..*\.promisor$/.test(key))
}

export function sourcePlace(found: FoundRepository): GitPlace {
  return { ...barePlace(found.gitDir), commonDir: found.commonDir }
}

/** The repository's own configuration file, without includes. */
async function readConfig(caller: GitCaller, commonDir: string): Promise<RepositoryConfig> {
  const file = path.join(commonDir, 'config')
  const client = openSourceGit(caller.program, barePlace(NOWHERE), caller.signal)
  const listed = await client.ask(['config', '--file', file, '--no-includes', '--list', '--null'])
  if (listed === undefined) {
    throw new OpenExecError('repository_invalid', `Cannot read "${file}"`, {
      hint: 'Check your rights on the repository and run `git config --list` in it',
    })
  }
  return new Map(
    listed.split('\0').map((record) => {
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

/** The object directory and, by its `info/alternates`, all it borrows from. */
function objectDirectories(commonDir: string): string[] {
  const found: string[] = []
  const pending = [path.join(commonDir, 'objects')]
  for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
    if (!fs.existsSync(next)) continue
    const directory = fs.realpathSync(next)
    if (found.includes(directory)) continue
    found.push(directory)
    if (found.length > ALTERNATES_MAX) break
    const alternates = path.join(directory, 'info/alternates')
    if (!fs.existsSync(alternates)) continue
    for (const line of fs.readFileSync(alternates, 'utf8').split('\n')) {
      if (line !== '' && !line.startsWith('#') && !line.startsWith('"')) {
        pending.push(path.resolve(directory, line))
      }
    }
  }
  return found
}
