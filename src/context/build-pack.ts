/**
 * A context pack: what an agent stage reads first. Pure of git and of the file system: the caller
 * lists the files of a tree and reads its blobs. The same tree and query give the same pack, bytes
 * and hash alike, in whatever order the files come.
 */
import { type ContextPack, type GitOid, hashJson, OpenExecError } from '../schema/index.ts'
import { isSecretFile } from '../model/index.ts'
import { type FileIndex, indexFile, linesOf } from './file-index.ts'
import { packFiles } from './pack.ts'
import { parseQuery } from './query.ts'
import { type IndexedFile, RANKER_VERSION, rankFiles } from './rank.ts'

interface PackFile {
  path: string
  /** Names the content; equal oids mean equal bytes. */
  oid: string
  /** Bytes */
  size: number
}

/** What is known of blobs, kept by the caller from one pack to the next. */
export interface IndexCache {
  get(oid: string): FileIndex | 'binary' | undefined
  set(oid: string, index: FileIndex | 'binary'): void
}

export interface PackRequest {
  query: string
  baseTree: GitOid
  files: Iterable<PackFile> | AsyncIterable<PackFile>
  readBlob(oid: string): Promise<Uint8Array>
  budgetTokens: number
  cache?: IndexCache
}

/** Bytes of a file that is worth indexing. */
const FILE_BYTES_MAX = 262_144
/** Files of a tree that are looked at, in path order. */
const FILES_MAX = 50_000
/** Blobs read at once. */
const READS_MAX = 16
const INSTRUCTION_FILES = new Set(['AGENTS.md', 'CLAUDE.md'])

export async function buildContextPack(request: PackRequest): Promise<ContextPack> {
  const { query: text, baseTree, budgetTokens } = request
  const query = parseQuery(text)
  const { files, omitted, oids } = await indexedFiles(request)
  const isInstruction = ({ path }: IndexedFile) =>
    INSTRUCTION_FILES.has(path.slice(path.lastIndexOf('/') + 1))
  const instructions = new Map(files.filter(isInstruction).map(({ path, index }) => [path, index]))
  const ranked = rankFiles(
    files.filter((file) => !isInstruction(file)),
    query,
  )
  const readLines = async (path: string) => linesOf(await request.readBlob(oids.get(path) ?? ''))
  const packed = await packFiles(ranked, { query, budgetTokens, instructions, readLines })
  const pack: Omit<ContextPack, 'pack_hash'> = {
    schema: 1,
    base_tree: baseTree,
    query: text,
    budget_tokens: budgetTokens,
    items: packed.items,
    omitted: [...omitted, ...packed.omitted],
    redactions: packed.redactions,
    ranker_version: RANKER_VERSION,
  }
  return { ...pack, pack_hash: hashJson(pack) }
}

async function indexedFiles(request: PackRequest) {
  const listed: PackFile[] = []
  for await (const file of request.files) listed.push(file)
  listed.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
  const omitted: ContextPack['omitted'] = []
  const wanted: PackFile[] = []
  for (const file of listed.slice(0, FILES_MAX)) {
    if (isSecretFile(file.path))
      omitted.push({ path: file.path, reason: 'holds secrets by its name' })
    else if (file.size <= FILE_BYTES_MAX) wanted.push(file)
    else if (request.query.includes(file.path))
      omitted.push({ path: file.path, reason: `larger than ${FILE_BYTES_MAX} bytes` })
  }
  if (listed.length > FILES_MAX)
    omitted.push({
      path: '.',
      reason: `only the first ${FILES_MAX} of ${listed.length} files were ranked`,
    })
  const indexes: (FileIndex | 'binary')[] = []
  for (let at = 0; at < wanted.length; at += READS_MAX) {
    const group = wanted.slice(at, at + READS_MAX)
    indexes.push(...(await Promise.all(group.map((file) => indexOf(file, request)))))
  }
  const files = wanted.flatMap(({ path }, at): IndexedFile[] => {
    const index = indexes[at]
    return index === undefined || index === 'binary' ? [] : [{ path, index }]
  })
  return { files, omitted, oids: new Map(wanted.map(({ path, oid }) => [path, oid])) }
}

async function indexOf(file: PackFile, { readBlob, cache }: PackRequest) {
  const known = cache?.get(file.oid)
  if (known !== undefined) return known
  const bytes = await readBlob(file.oid)
  if (bytes.length > FILE_BYTES_MAX)
    throw new OpenExecError(
      'internal',
      `Cannot index "${file.path}": its blob has ${bytes.length} bytes and ${file.size} were listed`,
    )
  const index = indexFile(bytes) ?? 'binary'
  cache?.set(file.oid, index)
  return index
}

/** A cache for one process, bounded by dropping what was put in first. */
export function createIndexCache(entriesMax: number): IndexCache {
  const entries = new Map<string, FileIndex | 'binary'>()
  return {
    get: (oid) => entries.get(oid),
    set(oid, index) {
      const [oldest] = entries.keys()
      if (entries.size >= entriesMax && oldest !== undefined) entries.delete(oldest)
      entries.set(oid, index)
    },
  }
}
