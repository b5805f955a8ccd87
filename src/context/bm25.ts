/** BM25 over the files of one tree: what a term is worth depends on these files and nothing else. */

const K1 = 1.2
const B = 0.75

/** A term's places in one field: file number and how often it stands there. */
export type FieldPostings = readonly (readonly [file: number, count: number])[]

export interface Field {
  /** Words of the field, by file number. */
  lengths: readonly number[]
  /** Terms of the query that stand in any file. */
  terms: ReadonlyMap<string, FieldPostings>
}

/** How rare something is that stands in `having` of `files` files. */
export function rarity(files: number, having: number): number {
  return Math.log(1 + (files - having + 0.5) / (having + 0.5))
}

/** Scores by file number. Terms are taken in their own order, so that sums come out alike. */
export function scoreField({ lengths, terms }: Field): Float64Array {
  const scores = new Float64Array(lengths.length)
  const total = lengths.reduce((sum, length) => sum + length, 0)
  const average = total / Math.max(1, lengths.length) || 1
  for (const term of [...terms.keys()].sort()) {
    const postings = terms.get(term) ?? []
    const weight = rarity(lengths.length, postings.length)
    for (const [file, count] of postings) {
      const norm = K1 * (1 - B + (B * (lengths[file] ?? 0)) / average)
      scores[file] = (scores[file] ?? 0) + (weight * count * (K1 + 1)) / (count + norm)
    }
  }
  return scores
}
