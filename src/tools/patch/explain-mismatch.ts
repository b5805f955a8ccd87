/** Says why a hunk has no place in a file, and shows the places that come closest to it. */
import { type FileText, shown } from './byte-text.ts'
import { type Hunk, type Judged, reject, type Rejection } from './edit.ts'
import { findLines } from './find-lines.ts'
import { type Cursor, lineKey } from './match-hunk.ts'

const NEAREST_MAX = 3
const AMBIGUOUS_MAX = 5
/** Lines looked at; what lies behind is not compared. */
const FILE_LINES_MAX = 20_000
const HUNK_LINES_MAX = 40
const SHOWN_LINES_MAX = 8
const SHOWN_CHARACTERS_MAX = 200

interface Place {
  file: string
  hunk: number
  lines: Hunk
}

export function tooMany(
  file: FileText,
  { file: path, hunk, lines, indexes }: Place & { indexes: readonly number[] },
): Judged<never> {
  const nearest = indexes.slice(0, AMBIGUOUS_MAX).map((index) => ({
    line: index + 1,
    similarity: 1,
    text: window(file, index, lines.oldLines.length),
  }))
  return reject({
    code: 'ambiguous_match',
    message: `The old lines stand in ${indexes.length} places (lines ${nearest.map((n) => n.line).join(', ')}${indexes.length > AMBIGUOUS_MAX ? ', …' : ''})`,
    file: path,
    hunk,
    nearest,
    next_action: 'Add lines above or below so that the old text stands in one place only',
  })
}

export function notFound(
  file: FileText,
  { file: path, hunk, lines, cursor }: Place & { cursor: Cursor },
): Judged<never> {
  const earlier = findLines(file.lines, lines.oldLines, 0).filter((index) => index < cursor.from)
  if (earlier.length > 0)
    return reject({
      code: 'context_not_found',
      message: `The old lines stand at line ${(earlier[0] ?? 0) + 1}, above the hunk before`,
      file: path,
      hunk,
      next_action: 'Put the hunks in the order of the file, without overlap',
    })
  const nearest = nearestPlaces(file, lines.oldLines)
  return reject({
    code: 'context_not_found',
    message:
      lines.oldLines.length === 0
        ? `Line ${lines.hintLine ?? '?'} is not in the file, which has ${file.lines.length} lines`
        : 'The old lines are nowhere in the file',
    file: path,
    hunk,
    first_divergent_line: firstDivergent(file, lines.oldLines, nearest[0]),
    nearest,
    next_action: 'Read the file again and copy the old lines from it exactly',
  })
}

function firstDivergent(
  file: FileText,
  oldLines: readonly string[],
  best: Rejection['nearest'][number] | undefined,
): number | undefined {
  if (best === undefined) return undefined
  const start = best.line - 1
  const offset = oldLines.findIndex((line, index) => file.lines[start + index] !== line)
  return offset < 0 ? undefined : start + offset + 1
}

function nearestPlaces(file: FileText, oldLines: readonly string[]): Rejection['nearest'] {
  const wanted = oldLines.slice(0, HUNK_LINES_MAX).map((line) => lineKey(line, 'indent'))
  const there = file.lines.slice(0, FILE_LINES_MAX).map((line) => lineKey(line, 'indent'))
  if (wanted.every((line) => line === '')) return []
  const scores = there.map((_line, index) => ({ index, score: sameLines(there, wanted, index) }))
  const alike = scores.some(({ score }) => score > 0) ? scores : alikeFirstLine(there, wanted)
  return alike
    .filter(({ score }) => score > 0.2)
    .sort((a, b) => b.score - a.score || a.index - b.index)
    .slice(0, NEAREST_MAX)
    .map(({ index, score }) => ({
      line: index + 1,
      similarity: Math.round(score * 100) / 100,
      text: window(file, index, oldLines.length),
    }))
}

function sameLines(there: readonly string[], wanted: readonly string[], index: number): number {
  let same = 0
  for (const [offset, line] of wanted.entries())
    if (line !== '' && there[index + offset] === line) same += 1
  return same / wanted.length
}

/** When no line is the same: by the letter pairs the first line of substance shares with each. */
function alikeFirstLine(there: readonly string[], wanted: readonly string[]) {
  const offset = wanted.findIndex((line) => line !== '')
  const pairs = pairsOf(wanted[offset] ?? '')
  return there.map((line, index) => ({
    index: Math.max(0, index - offset),
    score: diceOf(pairs, pairsOf(line)),
  }))
}

function pairsOf(line: string): Set<string> {
  const text = line.slice(0, SHOWN_CHARACTERS_MAX)
  return new Set(
    Array.from({ length: Math.max(0, text.length - 1) }, (_, i) => text.slice(i, i + 2)),
  )
}

function diceOf(a: Set<string>, b: Set<string>): number {
  if (a.size === 0 || b.size === 0) return 0
  let both = 0
  for (const pair of a) if (b.has(pair)) both += 1
  return (2 * both) / (a.size + b.size)
}

function window(file: FileText, index: number, length: number): string {
  const count = Math.min(Math.max(length, 1), SHOWN_LINES_MAX)
  return file.lines
    .slice(index, index + count)
    .map((line) => shown(line.slice(0, SHOWN_CHARACTERS_MAX)))
    .join('\n')
}
