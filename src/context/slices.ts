/** The parts of a file worth showing: definitions that hold what was asked for, or the lines named. */
import type { Definition } from './definitions.ts'
import type { Query } from './query.ts'
import { termsOf } from './terms.ts'

export interface Slice {
  /** Lines from 1, both inclusive. */
  start: number
  end: number
}

/** A file with no more lines is shown whole. */
const WHOLE_LINES_MAX = 120
const SLICE_LINES_MAX = 80
const SLICES_MAX = 4
const AROUND_PLACE = 20
const LINES_SCANNED_MAX = 20_000

/** Slices in file order, none overlapping. */
export function slicesOf(
  places: readonly number[],
  { lines, definitions }: { lines: readonly string[]; definitions: readonly Definition[] },
  query: Query,
): Slice[] {
  const last = lines.length
  if (last === 0) return []
  if (last <= WHOLE_LINES_MAX) return [{ start: 1, end: last }]
  const named = places
    .filter((line) => line <= last)
    .map((line) => ({
      start: Math.max(1, line - AROUND_PLACE),
      end: Math.min(last, line + AROUND_PLACE),
    }))
  const scored = blocksOf(definitions, lines)
    .map((block) => ({ block, score: scoreOf(lines, block, query) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score || a.block.start - b.block.start)
    .map(({ block }) => block)
  const chosen = [...named, ...scored].slice(0, SLICES_MAX)
  return merged(chosen.length > 0 ? chosen : [{ start: 1, end: Math.min(last, SLICE_LINES_MAX) }])
}

/** From each begin or end of a definition to the next, cut to a size. */
function blocksOf(definitions: readonly Definition[], lines: readonly string[]): Slice[] {
  const borders = definitions.flatMap(({ line, end }) =>
    end === undefined ? [line] : [line, end + 1],
  )
  const starts = [...new Set([1, ...borders])]
    .filter((line) => line <= lines.length)
    .sort((a, b) => a - b)
  return starts.flatMap((start, at) => {
    const end = (starts[at + 1] ?? lines.length + 1) - 1
    return end < start ? [] : [{ start, end: Math.min(end, start + SLICE_LINES_MAX - 1) }]
  })
}

function scoreOf(lines: readonly string[], { start, end }: Slice, query: Query): number {
  if (start > LINES_SCANNED_MAX) return 0
  const text = lines.slice(start - 1, end).join('\n')
  const own = termsOf(text)
  const shared = query.terms.filter((term) => own.has(term))
  const names = [...query.identifiers].filter((name) => text.includes(name))
  return shared.length + 4 * names.length
}

function merged(slices: readonly Slice[]): Slice[] {
  const result: Slice[] = []
  for (const slice of slices.toSorted((a, b) => a.start - b.start || a.end - b.end)) {
    const before = result.at(-1)
    if (before !== undefined && slice.start <= before.end + 1)
      before.end = Math.max(before.end, slice.end)
    else result.push({ ...slice })
  }
  return result
}
