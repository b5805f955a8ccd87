/**
 * Finds the one place of a file a hunk speaks of. Tiers are tried from exact to forgiving, and the
 * first tier with any candidate decides: one candidate is the place; of several, only what the patch
 * itself says (end of file, anchor, line number) may choose; otherwise the hunk is ambiguous. The
 * first of many is never taken.
 */
import { type FileText, trimBlanks, trimBlanksEnd, withoutBom } from './byte-text.ts'
import { type Hunk, MATCH_TIERS, type MatchTier } from './edit.ts'
import { findLines } from './find-lines.ts'
import { reindentation } from './reindent.ts'

/**
 * Characters a new text must have before its presence says that an edit has been made already. A
 * lone `}` stands in many files for other reasons.
 */
export const TELLING_LENGTH = 8

export type Located =
  | { kind: 'found'; index: number; tier: MatchTier }
  | { kind: 'already_applied'; index: number }
  | { kind: 'ambiguous'; indexes: readonly number[] }
  | { kind: 'not_found' }

export interface Cursor {
  /** First line, from 0, that no earlier hunk has used. */
  from: number
  /** How far the hunk before lay from its own line number. */
  shift: number
}

export function locateHunk(file: FileText, hunk: Hunk, cursor: Cursor): Located {
  if (hunk.oldLines.length === 0) return locateInsertion(file, hunk, cursor)
  for (const tier of MATCH_TIERS) {
    const candidates = candidatesAt(file, hunk, { tier, from: cursor.from })
    if (candidates.length === 0) continue
    if (tier === 'indent' && isTooMuch(candidates, hunk))
      return { kind: 'ambiguous', indexes: candidates }
    const index = choose(candidates, { file, hunk, cursor })
    return index === undefined
      ? { kind: 'ambiguous', indexes: candidates }
      : { kind: 'found', index, tier }
  }
  return alreadyApplied(file, hunk, cursor) ?? { kind: 'not_found' }
}

/** What two lines must share to be equal at a tier. */
export function lineKey(line: string, tier: MatchTier): string {
  switch (tier) {
    case 'exact':
      return line
    case 'eol':
      return withoutBom(line).replace(/\r$/, '')
    case 'trailing_ws':
      return trimBlanksEnd(withoutBom(line))
    case 'indent':
      return trimBlanks(withoutBom(line))
  }
}

function candidatesAt(
  file: FileText,
  hunk: Hunk,
  { tier, from }: { tier: MatchTier; from: number },
): number[] {
  const wanted = hunk.oldLines.map((line) => lineKey(line, tier))
  const found = findLines(fileKeys(file, tier), wanted, from)
  const ending = found.filter((index) => index + hunk.oldLines.length === file.lines.length)
  // A side that ends the file without a newline can stand nowhere but at its end.
  const placed = hunk.oldNoNewline || hunk.newNoNewline ? ending : found
  if (hunk.oldNoNewline && file.finalNewline && tier === 'exact') return []
  // Of so many, more than one fits, and the first of many is never taken.
  if (tier !== 'indent' || isTooMuch(placed, hunk)) return placed
  return placed.filter((index) => {
    const there = file.lines.slice(index, index + hunk.oldLines.length)
    return reindentation(there, hunk.oldLines) !== undefined
  })
}

/** Lines compared at most to see whether blocks differ by their indentation alone. */
const LINES_COMPARED_MAX = 2_000_000

function isTooMuch(candidates: readonly number[], hunk: Hunk): boolean {
  return candidates.length > 1 && candidates.length * hunk.oldLines.length > LINES_COMPARED_MAX
}

const keysOfFile = new WeakMap<FileText, Map<MatchTier, readonly string[]>>()

/** Computed once per file and tier, however many hunks ask. */
function fileKeys(file: FileText, tier: MatchTier): readonly string[] {
  const known = keysOfFile.get(file) ?? new Map<MatchTier, readonly string[]>()
  keysOfFile.set(file, known)
  const keys = known.get(tier) ?? file.lines.map((line) => lineKey(line, tier))
  known.set(tier, keys)
  return keys
}

interface Choice {
  file: FileText
  hunk: Hunk
  cursor: Cursor
}

function choose(candidates: readonly number[], { file, hunk, cursor }: Choice): number | undefined {
  if (candidates.length === 1) return candidates[0]
  if (hunk.hintLine !== undefined) {
    const hinted = hunk.hintLine - 1 + cursor.shift
    if (candidates.includes(hinted)) return hinted
  }
  if (hunk.atEnd) {
    const end = file.lines.length - hunk.oldLines.length
    if (candidates.includes(end)) return end
  }
  const anchor = anchorIndex(file, hunk)
  return anchor === undefined ? undefined : candidates.find((index) => index > anchor)
}

/** The line an anchor names, if it names exactly one. */
function anchorIndex(file: FileText, { anchor }: Hunk): number | undefined {
  const wanted = trimBlanks(anchor ?? '')
  if (wanted === '') return undefined
  const whole: number[] = []
  const begun: number[] = []
  for (const [index, line] of file.lines.entries()) {
    const text = trimBlanks(line)
    if (text === wanted) whole.push(index)
    else if (text.startsWith(wanted)) begun.push(index)
  }
  const named = whole.length > 0 ? whole : begun
  return named.length === 1 ? named[0] : undefined
}

/** A hunk that removes nothing and shows no context: only its own words say where it goes. */
function locateInsertion(file: FileText, hunk: Hunk, { from, shift }: Cursor): Located {
  const end = file.lines.length
  const anchor = anchorIndex(file, hunk)
  const hinted = hunk.hintLine === undefined ? undefined : hunk.hintLine - 1 + shift
  const index = hinted ?? (anchor === undefined ? end : anchor + 1)
  if (index < from || index > end) return { kind: 'not_found' }
  if ((hunk.newNoNewline || hunk.oldNoNewline) && index !== end) return { kind: 'not_found' }
  return { kind: 'found', index, tier: 'exact' }
}

/** Old lines are nowhere and the new ones stand in exactly one place: the work is done. */
function alreadyApplied(file: FileText, hunk: Hunk, cursor: Cursor): Located | undefined {
  if (hunk.newLines.every((line) => trimBlanks(line) === '')) return undefined
  const wanted = { ...hunk, oldLines: hunk.newLines, oldNoNewline: hunk.newNoNewline }
  for (const tier of ['exact', 'eol'] as const) {
    const candidates = candidatesAt(file, wanted, { tier, from: cursor.from })
    const index = choose(candidates, { file, hunk: wanted, cursor })
    if (index !== undefined) return { kind: 'already_applied', index }
  }
  return undefined
}
