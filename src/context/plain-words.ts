/** Ranking by whole words and nothing else: what the ranking of this folder is compared with. */
import { type FieldPostings, scoreField } from './bm25.ts'
import type { ListedFile } from './index-tree.ts'
import { textOf } from './lines.ts'

const WORD = /[\p{L}\p{N}_$]+/gu
const FILE_BYTES_MAX = 262_144

export interface PlainWords {
  rank(query: string, files: readonly ListedFile[]): Promise<string[]>
}

/** Keeps the words of every blob it has read, so it is for measurements only. */
export function createPlainWords(readBlob: (oid: string) => Promise<Uint8Array>): PlainWords {
  const known = new Map<string, ReadonlyMap<string, number>>()
  const wordsOf = async ({ oid, size }: ListedFile) => {
    const found = known.get(oid)
    if (found !== undefined) return found
    const words = size > FILE_BYTES_MAX ? new Map<string, number>() : count(await readBlob(oid))
    known.set(oid, words)
    return words
  }
  return {
    async rank(query, files) {
      const words: ReadonlyMap<string, number>[] = []
      for (const file of files) words.push(await wordsOf(file))
      const asked = new Set(query.toLowerCase().match(WORD) ?? [])
      const terms = new Map(
        [...asked].map((term): [string, FieldPostings] => [
          term,
          words.flatMap((own, at): [number, number][] =>
            own.has(term) ? [[at, own.get(term) ?? 0]] : [],
          ),
        ]),
      )
      const lengths = words.map((own) => [...own.values()].reduce((sum, each) => sum + each, 0))
      const scores = scoreField({ lengths, terms })
      return files
        .map(({ path }, at) => ({ path, score: scores[at] ?? 0 }))
        .filter(({ score }) => score > 0)
        .sort((a, b) => b.score - a.score || (a.path < b.path ? -1 : 1))
        .map(({ path }) => path)
    },
  }
}

function count(bytes: Uint8Array): Map<string, number> {
  const counts = new Map<string, number>()
  if (bytes.subarray(0, 8192).includes(0)) return counts
  for (const word of textOf(bytes).toLowerCase().match(WORD) ?? [])
    counts.set(word, (counts.get(word) ?? 0) + 1)
  return counts
}
