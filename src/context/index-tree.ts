/** Brings the index up to a tree: reads the blobs it does not know, and only those. */
import { isSecretFile } from '../model/index.ts'
import { type ContextPack, OpenExecError } from '../schema/index.ts'
import type { BlobTerms, ContextIndex, IndexedBlob } from '../state/index.ts'

export interface ListedFile {
  path: string
  /** Names the content; equal oids mean equal bytes. */
  oid: string
  /** Bytes */
  size: number
}

export interface IndexedTree {
  /** In path order. */
  files: ListedFile[]
  blobs: Map<string, IndexedBlob>
  omitted: ContextPack['omitted']
}

/** Bytes of a file that is worth indexing. */
export const FILE_BYTES_MAX = 262_144
/** Files of a tree that are looked at, in path order. */
const FILES_MAX = 50_000
/** Blobs put into the index at once. */
const BATCH = 500

export async function indexTree(
  request: {
    query: string
    files: Iterable<ListedFile>
    readBlob(oid: string): Promise<Uint8Array>
  },
  index: ContextIndex,
  makeTerms: (oid: string, bytes: Uint8Array) => BlobTerms,
): Promise<IndexedTree> {
  const { files, omitted } = wantedFiles(request)
  const oids = [...new Set(files.map(({ oid }) => oid))]
  const known = index.find(oids)
  const missing = files.filter(({ oid }) => !known.has(oid))
  const unread = [...new Map(missing.map((file) => [file.oid, file])).values()]
  for (let at = 0; at < unread.length; at += BATCH) {
    const made: BlobTerms[] = []
    for (const file of unread.slice(at, at + BATCH)) {
      const bytes = await request.readBlob(file.oid)
      if (bytes.length > FILE_BYTES_MAX)
        throw new OpenExecError(
          'internal',
          `Cannot index "${file.path}": its blob has ${bytes.length} bytes and ${file.size} were listed`,
        )
      made.push(makeTerms(file.oid, bytes))
    }
    index.add(made)
  }
  const blobs = new Map([...known, ...index.find(unread.map(({ oid }) => oid))])
  return { files, blobs, omitted }
}

function wantedFiles({ files, query }: { files: Iterable<ListedFile>; query: string }) {
  const listed = [...files].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
  const omitted: ContextPack['omitted'] = []
  const wanted: ListedFile[] = []
  for (const file of listed.slice(0, FILES_MAX)) {
    if (isSecretFile(file.path))
      omitted.push({ path: file.path, reason: 'holds secrets by its name' })
    else if (file.size <= FILE_BYTES_MAX) wanted.push(file)
    else if (query.includes(file.path))
      omitted.push({ path: file.path, reason: `larger than ${FILE_BYTES_MAX} bytes` })
  }
  if (listed.length > FILES_MAX)
    omitted.push({
      path: '.',
      reason: `only the first ${FILES_MAX} of ${listed.length} files were ranked`,
    })
  return { files: wanted, omitted }
}
