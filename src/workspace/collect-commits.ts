/**
 * Brings the commits made inside a run out into the object store. The private git directory was
 * writable by the sandbox: its refs are read as text, its objects as bytes, its configuration, hooks
 * and alternates not at all.
 */
import fs from 'node:fs'
import path from 'node:path'
import { OpenExecError } from '../schema/index.ts'
import { type BytePath, toBytes } from './byte-path.ts'
import { storeRef } from './commits.ts'
import { openRegular, readWhole } from './content.ts'
import { closing, Directory } from './directory.ts'
import { barePlace } from './git-environment.ts'
import { type GitCaller, gitLine, gitStream, gitTry } from './git.ts'
import { IMPORT_LIMITS, importObjects } from './loose-objects.ts'
import { copyShallow, makeBareRepository, type ObjectStore, storePlace } from './object-store.ts'
import { atPath } from './parents.ts'
import { nulRecords } from './records.ts'
import type { Slot, WorkspaceRecord } from './slot.ts'
import { removeTree } from './remove-tree.ts'
import { transferCommit } from './transfer.ts'

export interface CollectedCommits {
  commit: string
  tree: string
  /** Commits that are not in the base. */
  count: number
  /** False when the run rewrote or left the history it started from. */
  descends: boolean
  /** Every path that one of the commits changes, also where a later one takes the change back. */
  paths: Uint8Array[]
}

const COMMITS_MAX = 10_000
const PATHS_MAX = 200_000
const REF_FILE_BYTES_MAX = 4 * 1024 * 1024

/**
 * Undefined when nothing was committed. Throws `workspace_failed` when the objects are unsound, or
 * when the run saw a filtered history, on which its commits would lack the hidden paths.
 */
export async function collectCommits(
  caller: GitCaller,
  store: ObjectStore,
  at: { slot: Slot; record: WorkspaceRecord },
): Promise<CollectedCommits | undefined> {
  const { slot, record } = at
  const commit = readBranch(slot, record)
  if (commit === undefined || commit === record.insideCommit) return undefined
  if (record.history === 'filtered') throw filtered()
  const gitDir = fs.mkdtempSync(path.join(slot.index, 'quarantine-'))
  try {
    const borrowsFrom = path.join(store.gitDir, 'objects')
    makeBareRepository(gitDir, { objectFormat: store.objectFormat, borrowsFrom })
    copyShallow(store.gitDir, gitDir)
    const place = barePlace(gitDir)
    const format = store.objectFormat
    await importObjects(caller, slot.git, { place, format, limits: IMPORT_LIMITS })
    const base = record.baseCommit
    const count = await countCommits(caller, place, { commit, base })
    const ways = { from: place, to: storePlace(store), user: undefined }
    await transferCommit(caller, { id: commit, known: [base] }, ways)
    await storeRef(caller, store, { ref: `refs/openexec/runs/${record.runId}/head`, commit })
    const tree = await gitLine(caller, storePlace(store), ['rev-parse', `${commit}^{tree}`])
    const ancestry = ['merge-base', '--is-ancestor', base, commit]
    const descends = (await gitTry(caller, storePlace(store), ancestry)).code === 0
    const paths = await pathsOf(caller, store, { commit, base })
    return { commit, tree, count, descends, paths }
  } finally {
    await removeTree(slot.index, path.basename(gitDir))
  }
}

/** The commit of the run's one branch, read without git. */
function readBranch(slot: Slot, record: WorkspaceRecord): string | undefined {
  const ref = `refs/heads/openexec/${record.runId}`
  const own = readText(slot, ref)
  const packed = own ?? packedValue(readText(slot, 'packed-refs') ?? '', ref)
  const commit = packed?.trim()
  const length = record.objectFormat === 'sha1' ? 40 : 64
  return commit !== undefined && /^[0-9a-f]+$/.test(commit) && commit.length === length
    ? commit
    : undefined
}

function readText(slot: Slot, below: string): string | undefined {
  const root = Directory.open(slot.git)
  return closing([root], () =>
    atPath(root, below, (parent, name) => {
      if (parent.lstat(name)?.isFile() !== true) return undefined
      const file = openRegular(parent, name)
      try {
        if (file === undefined || file.size > REF_FILE_BYTES_MAX) return undefined
        return readWhole(file)?.toString('latin1')
      } finally {
        file?.close()
      }
    }),
  )
}

function packedValue(text: string, ref: string): string | undefined {
  return text
    .split('\n')
    .find((line) => line.endsWith(` ${ref}`))
    ?.split(' ')[0]
}

async function countCommits(
  caller: GitCaller,
  place: ReturnType<typeof barePlace>,
  range: { commit: string; base: string },
): Promise<number> {
  const args = [
    'rev-list',
    '--count',
    `--max-count=${COMMITS_MAX + 1}`,
    range.commit,
    `^${range.base}`,
  ]
  const count = Number(await gitLine(caller, place, args))
  if (count <= COMMITS_MAX) return count
  throw new OpenExecError(
    'workspace_failed',
    `Cannot take the commits of the run: over ${COMMITS_MAX}`,
    {
      details: { limit: 'commits' },
    },
  )
}

async function pathsOf(
  caller: GitCaller,
  store: ObjectStore,
  { commit, base }: { commit: string; base: string },
): Promise<Uint8Array[]> {
  const args = ['log', '--format=', '--name-only', '-z', '-m', '--root', '--no-renames', '-r']
  const range = ['--no-ext-diff', '--no-textconv', '--end-of-options', commit, `^${base}`, '--']
  const listing = gitStream(caller, storePlace(store), [...args, ...range])
  const paths = new Set<BytePath>()
  try {
    for await (const records of nulRecords(listing.stdout)) {
      for (const record of records) if (record !== '') paths.add(record)
      if (paths.size > PATHS_MAX) throw tooManyPaths()
    }
    await listing.done
    return [...paths].map(toBytes)
  } finally {
    listing.kill()
  }
}

function tooManyPaths(): OpenExecError {
  return new OpenExecError(
    'workspace_failed',
    `Cannot take the commits of the run: they change over ${PATHS_MAX} paths`,
    { details: { limit: 'paths' } },
  )
}

function filtered(): OpenExecError {
  return new OpenExecError(
    'workspace_failed',
    'Cannot take the commits of the run: paths were hidden from it, so its commits lack them',
    { hint: 'Take the changed files instead; they are in the last snapshot' },
  )
}
