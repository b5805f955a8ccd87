/**
 * What the user's own checkout has that its last commit has not. Asked with our configuration and the
 * user's index, so that no filter, hook or monitor of the repository runs and the index is not written.
 */
import fs from 'node:fs'
import path from 'node:path'
import { OpenExecError } from '../schema/index.ts'
import type { BytePath } from './byte-path.ts'
import type { FoundRepository } from './find-repository.ts'
import type { GitPlace } from './git-environment.ts'
import { type GitCaller, gitStream, gitTry } from './git.ts'
import { type ObjectStore, storePlace } from './object-store.ts'
import { type RawChange, readRawChanges } from './raw-changes.ts'
import { nulRecords } from './records.ts'

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

export async function inspectCheckout(caller: GitCaller, checkout: Checkout): Promise<DirtyState> {
  try {
    const [staged, touched, untracked] = await Promise.all([
      stagedChanges(caller, checkout),
      modifiedFiles(caller, checkout),
      untrackedFiles(caller, checkout),
    ])
    const modified = touched.length === 0 ? [] : await reallyModified(caller, checkout)
    const tracked = new Set([...staged, ...modified].map((change) => change.path)).size
    return { tracked, untracked: untracked.length, complete: true }
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

/** Files whose times differ from the index; the content need not. */
export async function modifiedFiles(caller: GitCaller, checkout: Checkout): Promise<RawChange[]> {
  return rawChanges(caller, checkoutPlace(checkout), ['diff-files', ...RAW])
}

/** The same after git has compared contents, in a copy of the index: times alone are no change. */
async function reallyModified(caller: GitCaller, checkout: Checkout): Promise<RawChange[]> {
  const directory = fs.mkdtempSync(path.join(checkout.store.gitDir, 'look-'))
  try {
    const indexFile = path.join(directory, 'index')
    fs.copyFileSync(path.join(checkout.found.gitDir, 'index'), indexFile)
    const place = { ...checkoutPlace(checkout), indexFile }
    // Its exit code says that something differs, which is what is asked next.
    await gitTry(caller, place, ['update-index', '-q', '--refresh'])
    return await rawChanges(caller, place, ['diff-files', ...RAW])
  } finally {
    fs.rmSync(directory, { recursive: true, force: true })
  }
}

/** Files neither tracked nor ignored, without those of nested repositories. */
export async function untrackedFiles(caller: GitCaller, checkout: Checkout): Promise<BytePath[]> {
  const exclude = path.join(checkout.found.commonDir, 'info/exclude')
  const args = ['ls-files', '--others', '-z', '--exclude-per-directory=.gitignore']
  if (fs.existsSync(exclude)) args.push(`--exclude-from=${exclude}`)
  const paths: BytePath[] = []
  const listing = gitStream(caller, checkoutPlace(checkout), args)
  try {
    for await (const records of nulRecords(listing.stdout)) {
      // A nested repository is listed as one directory; it is not part of this one.
      for (const record of records) if (!record.endsWith('/')) paths.push(record)
      if (paths.length > PATHS_MAX) {
        throw new OpenExecError(
          'repository_invalid',
          `Cannot list over ${PATHS_MAX} untracked files`,
          {
            hint: 'Ignore generated files with a .gitignore',
          },
        )
      }
    }
    await listing.done
  } finally {
    listing.kill()
  }
  return paths
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
