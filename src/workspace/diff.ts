/** Compares two trees of the object store. Only trees are read: no file, index, driver or attribute. */
import { OpenExecError } from '../schema/index.ts'
import type { GitCaller } from './git.ts'
import { gitStream } from './git.ts'
import { type ObjectStore, storePlace } from './object-store.ts'
import { nulRecords } from './records.ts'

export interface DiffRequest {
  from: string
  to: string
}

export interface DiffSummary {
  files: number
  /** Lines; binary files count none. */
  insertions: number
  deletions: number
  binaries: number
}

export interface DiffBytes {
  bytes: Buffer
  /** True when there was more than `maxBytes`; a cut patch cannot be applied. */
  truncated: boolean
}

const COMMON = [
  'diff-tree',
  '-r',
  '--no-ext-diff',
  '--no-textconv',
  '--no-color',
  '--find-renames',
  '-l2000',
  '--src-prefix=a/',
  '--dst-prefix=b/',
]

export async function diffSummary(
  caller: GitCaller,
  store: ObjectStore,
  request: DiffRequest,
): Promise<DiffSummary> {
  const summary: DiffSummary = { files: 0, insertions: 0, deletions: 0, binaries: 0 }
  for await (const { insertions, deletions } of numstat(caller, store, request)) {
    summary.files += 1
    if (insertions === undefined || deletions === undefined) summary.binaries += 1
    summary.insertions += insertions ?? 0
    summary.deletions += deletions ?? 0
  }
  return summary
}

/** A patch git can apply byte for byte: binary content included, ids in full. */
export async function diffPatch(
  caller: GitCaller,
  store: ObjectStore,
  request: DiffRequest & { maxBytes: number },
): Promise<DiffBytes> {
  return capped(caller, store, { ...request, args: ['--patch', '--binary', '--full-index'] })
}

/** The table of `git diff --stat`. */
export async function diffStat(
  caller: GitCaller,
  store: ObjectStore,
  request: DiffRequest & { maxBytes: number },
): Promise<DiffBytes> {
  return capped(caller, store, { ...request, args: ['--stat=100', '--summary'] })
}

async function capped(
  caller: GitCaller,
  store: ObjectStore,
  request: DiffRequest & { args: readonly string[]; maxBytes: number },
): Promise<DiffBytes> {
  const stream = gitStream(caller, storePlace(store), argsFor(request.args, request))
  const chunks: Buffer[] = []
  let kept = 0
  try {
    for await (const chunk of stream.stdout) {
      // A stream without an encoding yields buffers only.
      const bytes = chunk as Buffer
      chunks.push(bytes.subarray(0, request.maxBytes - kept))
      kept += bytes.length
      if (kept > request.maxBytes) return { bytes: Buffer.concat(chunks), truncated: true }
    }
    await stream.done
    return { bytes: Buffer.concat(chunks), truncated: false }
  } finally {
    stream.kill()
  }
}

interface FileLines {
  /** Undefined for a binary file. */
  insertions: number | undefined
  deletions: number | undefined
}

async function* numstat(
  caller: GitCaller,
  store: ObjectStore,
  request: DiffRequest,
): AsyncGenerator<FileLines> {
  const stream = gitStream(caller, storePlace(store), argsFor(['--numstat', '-z'], request))
  let names = 0
  try {
    for await (const records of nulRecords(stream.stdout)) {
      for (const record of records) {
        if (names > 0) {
          // The two names of a rename, each a record of its own.
          names -= 1
          continue
        }
        const match = /^(\d+|-)\t(\d+|-)\t/.exec(record)
        if (match === null) throw malformed()
        const [prefix, insertions, deletions] = match
        if (record === prefix) names = 2
        yield { insertions: count(insertions), deletions: count(deletions) }
      }
    }
    await stream.done
  } finally {
    stream.kill()
  }
}

function argsFor(args: readonly string[], { from, to }: DiffRequest): string[] {
  for (const tree of [from, to]) {
    if (!/^[0-9a-f]{40,64}$/.test(tree)) {
      throw new OpenExecError(
        'bad_request',
        `Cannot compare ${JSON.stringify(tree)}: not an object id`,
      )
    }
  }
  return [...COMMON, ...args, from, to, '--']
}

function count(text: string | undefined): number | undefined {
  return text === undefined || text === '-' ? undefined : Number(text)
}

function malformed(): OpenExecError {
  return new OpenExecError(
    'workspace_failed',
    'Cannot read the output of git: malformed line count',
  )
}
