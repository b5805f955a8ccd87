/**
 * A context pack: what an agent stage reads first. Pure of git and of the file system but for the
 * index: the caller lists the files of a tree and reads its blobs. The same tree, history and query
 * give the same pack, bytes and hash alike, in whatever order the files come and whatever the index
 * holds already.
 */
import { type ContextPack, type GitOid, hashJson, OpenExecError } from '../schema/index.ts'
import { type ContextIndex, openContextIndex } from '../state/index.ts'
import { blobTerms, rememberTerms } from './blob-terms.ts'
import { type ChangedPaths, churnOf } from './churn.ts'
import { indexTree, type ListedFile } from './index-tree.ts'
import { textOf } from './lines.ts'
import { type PackExtra, packFiles } from './pack.ts'
import { parseQuery } from './query.ts'
import { type RankedFile, RANKER_VERSION, rankFiles } from './rank.ts'
import { createSyntax } from './syntax.ts'

interface RankTreeRequest {
  query: string
  files: Iterable<ListedFile>
  readBlob(oid: string): Promise<Uint8Array>
  /** The commit whose history is meant, and how to read it; `undefined` ranks without. */
  history: { commit: string; recent(): Promise<readonly ChangedPaths[]> } | undefined
}

export interface PackRequest extends RankTreeRequest {
  baseTree: GitOid
  budgetTokens: number
  /** Shown besides files; their words count as the task's. */
  extras: readonly PackExtra[]
}

export interface ContextPacks {
  build(request: PackRequest): Promise<ContextPack>
  /** The paths that seem to matter, best first. */
  rank(request: RankTreeRequest): Promise<RankedFile[]>
  [Symbol.dispose](): void
}

const INSTRUCTION_FILES = new Set(['AGENTS.md', 'CLAUDE.md'])

/** `indexFile` is made when it is first needed, and made anew when it cannot be used. */
export function createContextPacks({ indexFile }: { indexFile: string }): ContextPacks {
  let index: ContextIndex | undefined
  const syntax = createSyntax()
  const termsIn = rememberTerms()
  const opened = () => (index ??= openContextIndex(indexFile))
  const ranked = async (request: RankTreeRequest) => {
    const known = opened()
    const makeTerms = (oid: string, bytes: Uint8Array) => blobTerms(oid, bytes, termsIn)
    const tree = await indexTree(request, known, makeTerms)
    const churn = await churnIn(known, request.history)
    const query = parseQuery(request.query)
    const about = { index: known, blobs: tree.blobs, query, churn, termsIn }
    const files = rankFiles({ ...about, files: tree.files.filter((file) => !isInstruction(file)) })
    return { tree, query, files }
  }
  return {
    rank: async (request) => (await ranked(request)).files,
    async build(request) {
      const query = [request.query, ...request.extras.map(({ text }) => text)].join('\n')
      const { tree, query: parsed, files } = await ranked({ ...request, query })
      const oids = new Map(tree.files.map(({ path, oid }) => [path, oid]))
      const packed = await packFiles(files, {
        query: parsed,
        budgetTokens: request.budgetTokens,
        extras: request.extras,
        instructions: tree.files.filter(isInstruction).map(({ path }) => path),
        readText: async (path) => textOf(await request.readBlob(oids.get(path) ?? '')),
        definitionsOf: syntax.forPack(),
      })
      return packOf(request, [...tree.omitted, ...packed.omitted], packed)
    },
    [Symbol.dispose]: () => index?.[Symbol.dispose](),
  }
}

function isInstruction({ path }: { path: string }): boolean {
  return INSTRUCTION_FILES.has(path.slice(path.lastIndexOf('/') + 1))
}

function packOf(
  { query, baseTree, budgetTokens }: PackRequest,
  omitted: ContextPack['omitted'],
  { items, redactions }: Pick<ContextPack, 'items' | 'redactions'>,
): ContextPack {
  const pack: Omit<ContextPack, 'pack_hash'> = {
    schema: 1,
    base_tree: baseTree,
    query,
    budget_tokens: budgetTokens,
    items,
    omitted,
    redactions,
    ranker_version: RANKER_VERSION,
  }
  return { ...pack, pack_hash: hashJson(pack) }
}

/** A commit never changes, so what its history says is read once. */
async function churnIn(
  index: ContextIndex,
  history: RankTreeRequest['history'],
): Promise<ReadonlyMap<string, number>> {
  if (history === undefined) return new Map()
  const key = `churn:${RANKER_VERSION}:${history.commit}`
  const known = index.getNote(key)
  if (known !== undefined) return parseChurn(known)
  const churn = churnOf(await history.recent())
  index.putNote(key, JSON.stringify([...churn]))
  return churn
}

function parseChurn(text: string): Map<string, number> {
  const value: unknown = JSON.parse(text)
  const pairs: unknown[] = Array.isArray(value) ? value : []
  return new Map(
    pairs.map((pair) => {
      const [path, often]: unknown[] = Array.isArray(pair) ? pair : []
      if (typeof path === 'string' && typeof often === 'number') return [path, often]
      throw new OpenExecError('internal', 'Cannot read the index of context packs: bad note')
    }),
  )
}
