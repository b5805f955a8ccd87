/**
 * Which files a task is about. BM25 over three fields (text, path, defined names), and on top what is
 * worth more than any count of words: a path the task names, a name it writes as code.
 *
 * The same files and query give the same order, whatever order the files come in.
 */
import type { FileIndex } from './file-index.ts'
import { isNamed, type Query } from './query.ts'
import { countIdentifiers, termsOfIdentifier } from './terms.ts'

export const RANKER_VERSION = 'bm25-fields-1'

const K1 = 1.2
const B = 0.75
const PATH_WEIGHT = 0.6
const DEFINITION_WEIGHT = 0.4
/** A named path outranks any text; a line with it, such as of a stack trace, even more. */
const PLACE_SCORE = 1000
const PLACE_LINE_SCORE = 2000
const IDENTIFIER_SCORE = 4
const DEFINED_IDENTIFIER_SCORE = 8
const REASONS_MAX = 6
const SHARED_SHOWN_MAX = 5

export interface RankedFile {
  path: string
  index: FileIndex
  score: number
  reasons: readonly string[]
  /** Lines the task points at. */
  places: readonly number[]
}

export interface IndexedFile {
  path: string
  index: FileIndex
}

/** Files with any score, best first; equals in path order. */
export function rankFiles(files: readonly IndexedFile[], query: Query): RankedFile[] {
  const asked = askedTerms(query)
  const text = bm25(files, query, ({ index }) => ({
    ...asked(index.identifiers),
    length: index.length,
  }))
  const path = bm25(files, query, (file) => asked(countIdentifiers(file.path)))
  const names = bm25(files, query, ({ index: { definitions } }) =>
    asked(new Map(definitions.map(({ name }) => [name, 1]))),
  )
  return files
    .map(({ path: file, index }, at): RankedFile => {
      const exact = exactScore(file, index, query)
      const words =
        text.score(at) + PATH_WEIGHT * path.score(at) + DEFINITION_WEIGHT * names.score(at)
      const shared = text.terms(at).slice(0, SHARED_SHOWN_MAX)
      const reasons = shared.length > 0 ? [`shares ${shared.join(', ')}`] : []
      return {
        path: file,
        index,
        score: Math.round((words + exact.score) * 10_000) / 10_000,
        reasons: [...exact.reasons.slice(0, REASONS_MAX), ...reasons],
        places: exact.places,
      }
    })
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score || (a.path < b.path ? -1 : 1))
}

interface Field {
  /** Terms of the query that stand in the field, and how often. */
  counts: ReadonlyMap<string, number>
  /** Words of the field in all. */
  length: number
}

/** Counts only what is asked for: each identifier is taken apart once for all files it stands in. */
function askedTerms(query: Query): (identifiers: ReadonlyMap<string, number>) => Field {
  const known = new Map<string, readonly string[]>()
  const termsIn = (identifier: string) => {
    const found = termsOfIdentifier(identifier).filter((term) => query.terms.has(term))
    const terms = found.length === 0 ? NONE : found
    known.set(identifier, terms)
    return terms
  }
  return (identifiers) => {
    const counts = new Map<string, number>()
    let length = 0
    for (const [identifier, count] of identifiers) {
      length += count
      const terms = known.get(identifier) ?? termsIn(identifier)
      if (terms !== NONE)
        for (const term of terms) counts.set(term, (counts.get(term) ?? 0) + count)
    }
    return { counts, length }
  }
}

const NONE: readonly string[] = []

function exactScore(path: string, index: FileIndex, query: Query) {
  const reasons: string[] = []
  const places: number[] = []
  let score = 0
  const named = query.places.filter((place) => isNamed(path, place.path))
  if (named.length > 0) {
    for (const { line } of named) if (line !== undefined) places.push(line)
    score += places.length > 0 ? PLACE_LINE_SCORE : PLACE_SCORE
    const lines = places.length > 0 ? `:${[...new Set(places)].join(', ')}` : ''
    reasons.push(`the task names ${path}${lines}`)
  }
  const defined = new Set(index.definitions.map(({ name }) => name))
  for (const identifier of query.identifiers) {
    if (!index.identifiers.has(identifier)) continue
    const own = defined.has(identifier)
    score += own ? DEFINED_IDENTIFIER_SCORE : IDENTIFIER_SCORE
    reasons.push(`${own ? 'defines' : 'uses'} ${identifier}`)
  }
  return { score, reasons, places: [...new Set(places)].sort((a, b) => a - b) }
}

/** Scores of one field for all files, by their number. */
function bm25(
  files: readonly IndexedFile[],
  query: Query,
  fieldOf: (file: IndexedFile) => Field,
): { score(at: number): number; terms(at: number): string[] } {
  const fields = files.map(fieldOf)
  const total = fields.reduce((sum, { length }) => sum + length, 0)
  const average = total / Math.max(1, fields.length) || 1
  const weights = [...query.terms.keys()].map((term) => {
    const having = fields.filter(({ counts }) => counts.has(term)).length
    return { term, weight: Math.log(1 + (fields.length - having + 0.5) / (having + 0.5)) }
  })
  return {
    score(at) {
      const field = fields[at]
      if (field === undefined || field.counts.size === 0) return 0
      const norm = K1 * (1 - B + (B * field.length) / average)
      return weights.reduce((sum, { term, weight }) => {
        const count = field.counts.get(term) ?? 0
        return sum + (count === 0 ? 0 : (weight * count * (K1 + 1)) / (count + norm))
      }, 0)
    },
    terms: (at) => weights.map(({ term }) => term).filter((term) => fields[at]?.counts.has(term)),
  }
}
