/** Reads committed trees of the object store: names, blobs, history. No file of a checkout is touched. */
import { type BlobReader, openBlobReader } from './blob-reader.ts'
import { nameOf, type NamedPath } from './changed-path.ts'
import { type GitCaller, gitBytes, gitStream } from './git.ts'
import { type ObjectStore, storePlace } from './object-store.ts'
import { nulRecords } from './records.ts'

export interface TreeFile extends NamedPath {
  oid: string
  /** Bytes */
  size: number
}

/** `mode type oid size<tab>path`, the size padded with spaces and `-` for what is no blob. */
const ENTRY = /^(\d{6}) (\w+) ([0-9a-f]+) +(\d+|-)\t/

/** Regular files of a tree in git's order; links and submodules left out. */
export async function listTreeFiles(
  caller: GitCaller,
  store: ObjectStore,
  tree: string,
): Promise<TreeFile[]> {
  const args = ['ls-tree', '-r', '-l', '-z', '--full-tree', '--end-of-options', tree]
  const stream = gitStream(caller, storePlace(store), args)
  const files: TreeFile[] = []
  try {
    for await (const records of nulRecords(stream.stdout)) {
      for (const record of records) {
        const match = ENTRY.exec(record)
        const [head = '', mode = '', , oid = '', size] = match ?? []
        if (!mode.startsWith('100')) continue
        files.push({ ...nameOf(record.slice(head.length)), oid, size: Number(size) })
      }
    }
    await stream.done
    return files
  } finally {
    stream.kill()
  }
}

/** Opened with the first question, so that many blobs cost one process. */
export function openTreeBlobs(caller: GitCaller, store: ObjectStore): BlobReader {
  return openBlobReader(caller, storePlace(store))
}

const LOG_FORMAT = '%h %ad %an%n    %s'

/** The last commits before and at `commit`, newest first, as text. */
export async function commitLog(
  caller: GitCaller,
  store: ObjectStore,
  { commit, limit }: { commit: string; limit: number },
): Promise<string> {
  const args = [
    'log',
    `--max-count=${limit}`,
    `--format=${LOG_FORMAT}`,
    '--date=short',
    '--no-color',
  ]
  const output = await gitBytes(caller, storePlace(store), [
    ...args,
    '--end-of-options',
    commit,
    '--',
  ])
  return new TextDecoder().decode(output)
}
