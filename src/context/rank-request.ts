/** What a ranking looks at: the files of one tree, as the index knows them, and what is asked. */
import type { ContextIndex, IndexedBlob } from '../state/index.ts'
import type { Query } from './query.ts'

export interface TreeFile {
  path: string
  oid: string
}

export interface RankRequest {
  /** In path order. */
  files: readonly TreeFile[]
  blobs: ReadonlyMap<string, IndexedBlob>
  index: ContextIndex
  query: Query
  /** From 0 to 1, by path. */
  churn: ReadonlyMap<string, number>
  termsIn(identifier: string): readonly string[]
}

/** File numbers by blob: equal files have one blob. */
export function filesByBlob(
  { blobs }: Pick<RankRequest, 'blobs'>,
  files: readonly TreeFile[],
): Map<number, number[]> {
  const known = new Map<number, number[]>()
  for (const [at, { oid }] of files.entries()) {
    const id = blobs.get(oid)?.id
    if (id === undefined) continue
    const others = known.get(id)
    if (others === undefined) known.set(id, [at])
    else others.push(at)
  }
  return known
}
