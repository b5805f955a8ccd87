/**
 * Which files a task is about. BM25 over three fields (text, path, defined names), what is written
 * exactly as in the code, and how often a file changes; above all of it files the task names itself.
 *
 * The same files, history and query give the same order, whatever order the files come in.
 */
import { COLUMN, frequencyOf } from './blob-terms.ts'
import { type Field, type FieldPostings, rarity, scoreField } from './bm25.ts'
import { exactScores } from './exact-names.ts'
import { isNamed } from './query.ts'
import { filesByBlob, type RankRequest, type TreeFile } from './rank-request.ts'
import { countIdentifiers } from './terms.ts'

export const RANKER_VERSION = 'fields-churn-2'

const PATH_WEIGHT = 0.6
const NAMES_WEIGHT = 0.4
/** Of a prior from 0 to 1, beside a text score from 0 to 1. */
const CHURN_WEIGHT = 0.35
/** A named path outranks any text; a line with it, such as of a stack trace, even more. */
const PLACE_SCORE = 10
const PLACE_LINE_SCORE = 20
const REASONS_MAX = 6
const SHARED_SHOWN_MAX = 5
/** Files that are told apart; those below are of no use to anybody. */
const RANKED_MAX = 500

export interface RankedFile extends TreeFile {
  score: number
  reasons: readonly string[]
  /** Lines the task points at. */
  places: readonly number[]
}

/** Files with any score, best first; equals in path order. */
export function rankFiles(request: RankRequest): RankedFile[] {
  const { query, churn } = request
  const files = request.files.filter(({ oid }) => (request.blobs.get(oid)?.length ?? -1) >= 0)
  const text = fieldsOf(request, files)
  const path = pathField(request, files)
  const exact = exactScores(request, files)
  const [inText, inPath, inNames] = [text.text, path, text.names].map(scoreField)
  const words = files.map(
    (_, at) =>
      (inText?.[at] ?? 0) +
      PATH_WEIGHT * (inPath?.[at] ?? 0) +
      NAMES_WEIGHT * (inNames?.[at] ?? 0) +
      exact.score(at),
  )
  const best = words.reduce((most, score) => Math.max(most, score), 0) || 1
  const scored = files.map((file, at) => {
    const named = query.places.filter((place) => isNamed(file.path, place.path))
    const lines = named.flatMap(({ line }) => (line === undefined ? [] : [line]))
    const places = [...new Set(lines)].sort((a, b) => a - b)
    const place = named.length === 0 ? 0 : places.length > 0 ? PLACE_LINE_SCORE : PLACE_SCORE
    const word = (words[at] ?? 0) / best
    const often = churn.get(file.path) ?? 0
    const score = place + word + (word > 0 || place > 0 ? CHURN_WEIGHT * often : 0)
    return { at, file, places, isNamed: place > 0, often, score: Math.round(score * 1e4) / 1e4 }
  })
  return scored
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score || (a.file.path < b.file.path ? -1 : 1))
    .slice(0, RANKED_MAX)
    .map(({ at, file, places, isNamed: named, often, score }): RankedFile => {
      const lines = places.length > 0 ? `:${places.join(', ')}` : ''
      const shared = sharedTerms([text.text, path, text.names], at)
      const reasons = [
        ...(named ? [`the task names ${file.path}${lines}`] : []),
        ...exact.reasons(at).slice(0, REASONS_MAX),
        ...(shared.length > 0 ? [`shares ${shared.join(', ')}`] : []),
        ...(often >= 0.5 ? ['changes often'] : []),
      ]
      return { ...file, score, reasons, places }
    })
}

function fieldsOf(request: RankRequest, files: readonly TreeFile[]): { text: Field; names: Field } {
  const { blobs, index, query } = request
  const known = filesByBlob(request, files)
  const text = new Map<string, FieldPostings>()
  const names = new Map<string, FieldPostings>()
  for (const term of query.terms) {
    const [inText, inNames]: [number, number][][] = [[], []]
    for (const { blob, column } of index.postings(term)) {
      for (const file of known.get(blob) ?? []) {
        if (column < COLUMN.names) inText?.push([file, frequencyOf(column)])
        else if (column === COLUMN.names) inNames?.push([file, 1])
      }
    }
    if (inText !== undefined && inText.length > 0) text.set(term, inText)
    if (inNames !== undefined && inNames.length > 0) names.set(term, inNames)
  }
  const lengthsOf = (of: 'length' | 'namesLength') =>
    files.map(({ oid }) => Math.max(0, blobs.get(oid)?.[of] ?? 0))
  return {
    text: { lengths: lengthsOf('length'), terms: text },
    names: { lengths: lengthsOf('namesLength'), terms: names },
  }
}

function pathField({ query, termsIn }: RankRequest, files: readonly TreeFile[]): Field {
  const asked = new Set(query.terms)
  const terms = new Map<string, [number, number][]>()
  const lengths = files.map(({ path }, at) => {
    const counts = new Map<string, number>()
    let length = 0
    for (const [identifier, count] of countIdentifiers(path)) {
      for (const term of termsIn(identifier)) {
        length += count
        if (asked.has(term)) counts.set(term, (counts.get(term) ?? 0) + count)
      }
    }
    for (const [term, count] of counts) {
      const others = terms.get(term)
      if (others === undefined) terms.set(term, [[at, count]])
      else others.push([at, count])
    }
    return length
  })
  return { lengths, terms }
}

/** The rarest terms that a file shares with the task. */
function sharedTerms(fields: readonly Field[], at: number): string[] {
  const shared = new Map<string, number>()
  for (const { lengths, terms } of fields)
    for (const [term, postings] of terms)
      if (postings.some(([file]) => file === at))
        shared.set(term, Math.max(shared.get(term) ?? 0, rarity(lengths.length, postings.length)))
  return [...shared]
    .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .slice(0, SHARED_SHOWN_MAX)
    .map(([term]) => term)
}
