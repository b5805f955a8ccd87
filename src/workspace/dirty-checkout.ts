/**
 * What the user's own checkout has that its last commit has not. Asked with our configuration and the
 * user's index, so that no filter, hook or monitor of the repository runs and the index is not written.
 */
import fs from 'node:fs'
import path from 'node:path'
import { OpenExecError } from '../schema/index.ts'
import { type BytePath, fsPath } from './byte-path.ts'
import type { FoundRepository } from './find-repository.ts'
import type { GitPlace } from './git-environment.ts'
import { type GitCaller, gitStream } from './git.ts'
import { type ObjectStore, storePlace } from './object-store.ts'
import { type RawChange, readRawChanges } from './raw-changes.ts'
import { nulRecords, parseTreeEntry, type TreeEntry } from './records.ts'
import { remembered, stampFiles, stampTree } from './repository-memory.ts'

export interface DirtyState {
  /** Tracked paths that differ from the index, or whose index entry differs from the commit. */
  tracked: number
  /** Files neither tracked nor ignored. */
  untracked: number
  /** False when the checkout could not be looked at whole. */
  complete: boolean
}

export interface Checkout {
  found: FoundRepository
  store: ObjectStore
  /** What is checked out, as a commit. */
  head: string
}

const PATHS_MAX = 200_000

export async function inspectCheckout(
  caller: GitCaller,
  checkout: Checkout,
  { stateDir }: { stateDir: string },
): Promise<DirtyState> {
  const { memory } = caller.program
  const facts = memory === undefined ? undefined : checkoutFacts(checkout, stateDir)
  return await remembered(memory, { name: 'checkout', facts }, () => lookAt(caller, checkout))
}

/** Files and directories beyond which asking git is quicker than looking at each. */
const FACTS_MAX = 2_000

/** All that decides what differs; only what lies in the checkout and is not git's own. */
function checkoutFacts({ found, head }: Checkout, stateDir: string): string[] | undefined {
  const { root, gitDir, commonDir } = found
  const own = stampFiles([path.join(gitDir, 'index'), path.join(commonDir, 'info/exclude')])
  const files = stampTree(root, {
    entriesMax: FACTS_MAX,
    skip: (file) => file === stateDir || path.basename(file) === '.git',
  })
  return own && files && [root, head, ...own, ...files]
}

async function lookAt(caller: GitCaller, checkout: Checkout): Promise<DirtyState> {
  try {
    const [staged, { modified, untracked }] = await Promise.all([
      stagedChanges(caller, checkout),
      lookAtFiles(caller, checkout),
    ])
    const tracked = new Set([...staged.map((change) => change.path), ...modified]).size
    return { tracked, untracked, complete: true }
  } catch (error) {
    if (error instanceof OpenExecError && error.code === 'cancelled') throw error
    return { tracked: 0, untracked: 0, complete: false }
  }
}

/** The user's index and files, under our configuration. */
export function checkoutPlace({ found, store }: Checkout): GitPlace {
  const indexFile = path.join(found.gitDir, 'index')
  return { ...storePlace(store), workTree: found.root, indexFile }
}

/** Tracked files that are gone or hold something else than the index says, with what it says. */
export async function modifiedFiles(caller: GitCaller, checkout: Checkout): Promise<TreeEntry[]> {
  const format = '--format=%(objectmode) %(objectname) %(stage)%x09%(path)'
  const files: TreeEntry[] = []
  await listFiles(caller, checkout, [format, '--modified'], (record) => {
    if (!record.startsWith('160000 ')) files.push(parseTreeEntry(record))
    return files.length
  })
  return files
}

/** Files neither tracked nor ignored, without those of nested repositories. */
export async function untrackedFiles(caller: GitCaller, checkout: Checkout): Promise<BytePath[]> {
  const files: BytePath[] = []
  await listFiles(caller, checkout, othersOf(checkout), (record) => {
    // A nested repository is listed as one directory; it is not part of this one.
    if (!record.endsWith('/')) files.push(record)
    return files.length
  })
  return files
}

/** Both at once, by name: contents are compared, as bytes, where times differ. */
async function lookAtFiles(
  caller: GitCaller,
  checkout: Checkout,
): Promise<{ modified: BytePath[]; untracked: number }> {
  const modified: BytePath[] = []
  let untracked = 0
  const args = ['-t', '--modified', ...othersOf(checkout)]
  await listFiles(caller, checkout, args, (record) => {
    const name = record.slice(2)
    if (!record.startsWith('? ')) modified.push(name)
    else if (!name.endsWith('/')) untracked++
    return untracked
  })
  const { root } = checkout.found
  // What is modified and a directory is a submodule at another commit.
  const isFile = (name: BytePath): boolean =>
    fs.lstatSync(fsPath(root, name), { throwIfNoEntry: false })?.isDirectory() !== true
  return { modified: modified.filter(isFile), untracked }
}

function othersOf({ found }: Checkout): string[] {
  const exclude = path.join(found.commonDir, 'info/exclude')
  const args = ['--others', '--exclude-per-directory=.gitignore']
  return fs.existsSync(exclude) ? [...args, `--exclude-from=${exclude}`] : args
}

async function listFiles(
  caller: GitCaller,
  checkout: Checkout,
  args: readonly string[],
  take: (record: string) => number,
): Promise<void> {
  const listing = gitStream(caller, checkoutPlace(checkout), ['ls-files', '-z', ...args])
  try {
    for await (const records of nulRecords(listing.stdout)) {
      for (const record of records) if (take(record) > PATHS_MAX) throw tooMany()
    }
    await listing.done
  } finally {
    listing.kill()
  }
}

function tooMany(): OpenExecError {
  return new OpenExecError('repository_invalid', `Cannot list over ${PATHS_MAX} changed files`, {
    hint: 'Ignore generated files with a .gitignore',
  })
}

const RAW = ['--raw', '-z', '--no-abbrev', '--no-renames', '--ignore-submodules=all']

async function stagedChanges(caller: GitCaller, checkout: Checkout): Promise<RawChange[]> {
  const place = checkoutPlace(checkout)
  return rawChanges(caller, place, ['diff-index', '--cached', ...RAW, checkout.head, '--'])
}

async function rawChanges(
  caller: GitCaller,
  place: GitPlace,
  args: readonly string[],
): Promise<RawChange[]> {
  const stream = gitStream(caller, place, args)
  try {
    const changes = await readRawChanges(stream.stdout)
    await stream.done
    return changes
  } finally {
    stream.kill()
  }
}
