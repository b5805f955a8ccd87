/**
 * What is known of one blob, made once from its bytes: it depends on nothing else. Terms go into the
 * column that says how often they stand in the text, names it defines into columns of their own.
 */
import type { BlobTerms } from '../state/index.ts'
import { definitionsOf } from './definitions.ts'
import { linesOf, textOf } from './lines.ts'
import { countIdentifiers, termsOfIdentifier } from './terms.ts'

/** How often a term of each frequency column counts: once, twice, three or four times, … */
const FREQUENCIES = [1, 2, 3.5, 6, 12] as const

export const COLUMN = {
  /** Columns below this one are frequencies. */
  names: FREQUENCIES.length,
  /** Names of several parts, as they are written. */
  identifiers: FREQUENCIES.length + 1,
  /** Defined names, as they are written. */
  defined: FREQUENCIES.length + 2,
} as const

/** How often a term of this frequency column stands in the text, about. */
export function frequencyOf(column: number): number {
  return FREQUENCIES[column] ?? 0
}

/** Bytes looked at for a NUL. */
const SNIFFED_BYTES = 8192
/** Different identifiers of one file that are kept: a file with more is data. */
const IDENTIFIERS_MAX = 20_000
const IDENTIFIER_LENGTH_MAX = 80

/** `termsIn` may remember; it must give what `termsOfIdentifier()` gives. */
export function blobTerms(
  oid: string,
  bytes: Uint8Array,
  termsIn: (identifier: string) => readonly string[],
): BlobTerms {
  if (bytes.subarray(0, SNIFFED_BYTES).includes(0))
    return { oid, length: -1, namesLength: 0, columns: [] }
  const text = textOf(bytes)
  const counts = new Map<string, number>()
  const compounds: string[] = []
  let length = 0
  let seen = 0
  for (const [identifier, count] of countIdentifiers(text)) {
    seen += 1
    if (seen > IDENTIFIERS_MAX) break
    const terms = termsIn(identifier)
    for (const term of terms) counts.set(term, (counts.get(term) ?? 0) + count)
    if (terms.length > 1 && identifier.length <= IDENTIFIER_LENGTH_MAX) compounds.push(identifier)
    length += count
  }
  const defined = [...new Set(definitionsOf(linesOf(text)).map(({ name }) => name))]
  const names = new Set(defined.flatMap(termsIn))
  const columns: string[][] = FREQUENCIES.map(() => [])
  for (const [term, count] of counts) columns[bucketOf(count)]?.push(term)
  columns.push([...names], compounds, defined)
  return {
    oid,
    length,
    namesLength: names.size,
    columns: columns.map((terms) => terms.join(' ')),
  }
}

function bucketOf(count: number): number {
  if (count <= 2) return count - 1
  if (count <= 4) return 2
  return count <= 8 ? 3 : 4
}

/** Bounded by forgetting everything at once. */
const REMEMBERED_MAX = 200_000

/** Each identifier is taken apart once for all files it stands in. */
export function rememberTerms(): (identifier: string) => readonly string[] {
  const known = new Map<string, readonly string[]>()
  return (identifier) => {
    const found = known.get(identifier)
    if (found !== undefined) return found
    if (known.size >= REMEMBERED_MAX) known.clear()
    const terms = termsOfIdentifier(identifier)
    known.set(identifier, terms)
    return terms
  }
}
