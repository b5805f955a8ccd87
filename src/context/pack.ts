/**
 * Fills the budget: instructions that hold for the files at hand, then the best files as slices,
 * then outlines of the next, until nothing more fits. Everything put in says why, and what was left
 * out says why not.
 */
import { createHash } from 'node:crypto'
import type { ContextItem, ContextPack } from '../schema/index.ts'
import { estimateTokens, redactLines, type Redaction } from '../model/index.ts'
import type { FileIndex } from './file-index.ts'
import type { Query } from './query.ts'
import type { RankedFile } from './rank.ts'
import { type Slice, slicesOf } from './slices.ts'

const SLICED_FILES_MAX = 14
const OUTLINED_FILES_MAX = 20
const OUTLINE_LINES_MAX = 60
const OMITTED_MAX = 200
/** Part of the budget instructions may have. */
const INSTRUCTIONS_SHARE = 0.25
/** Part of the budget one file may have, so that none crowds out the rest. */
const FILE_SHARE = 0.4

type Packed = Pick<ContextPack, 'items' | 'omitted' | 'redactions'>

export interface PackOptions {
  query: Query
  budgetTokens: number
  /** Instruction files of the repository, by path. */
  instructions: ReadonlyMap<string, FileIndex>
  /** The lines of a file, as they are in the tree. */
  readLines(path: string): Promise<readonly string[]>
}

export async function packFiles(
  ranked: readonly RankedFile[],
  options: PackOptions,
): Promise<Packed> {
  const packed: Packed = { items: [], omitted: [], redactions: [] }
  const { query, budgetTokens, instructions } = options
  // The whole file is looked at, since a secret may begin above what is shown.
  const readClean = async (path: string) => redactLines(await options.readLines(path))
  let left = budgetTokens
  const put = (file: PackedFile, room: number): boolean => {
    const made = itemOf(file)
    if (made.item.tokens > Math.min(left, room)) return false
    packed.items.push(made.item)
    packed.redactions.push(...made.redactions)
    left -= made.item.tokens
    return true
  }
  const omit = (path: string, reason: string) => {
    if (packed.omitted.length < OMITTED_MAX) packed.omitted.push({ path, reason })
  }

  const top = ranked.slice(0, SLICED_FILES_MAX)
  for (const [path, index] of instructionsFor(top, instructions)) {
    const clean = await readClean(path)
    const file = { path, index, clean, score: 0, reasons: ['instructions on the path'] }
    const whole = { start: 1, end: Math.max(1, clean.lines.length) }
    const room = budgetTokens * INSTRUCTIONS_SHARE
    if (!put({ ...file, kind: 'instructions', part: whole }, room)) omit(path, 'over the budget')
  }
  for (const file of top) {
    const clean = await readClean(file.path)
    const slices = slicesOf(file, clean.lines, query)
    const fitting = slices.filter((part) => {
      const whole = part.start === 1 && part.end === clean.lines.length
      const kind = whole ? 'file' : 'slice'
      return put({ ...file, clean, kind, part }, budgetTokens * FILE_SHARE)
    })
    if (fitting.length < slices.length)
      omit(file.path, fitting.length === 0 ? 'over the budget' : 'in part over the budget')
  }
  for (const file of ranked.slice(SLICED_FILES_MAX, SLICED_FILES_MAX + OUTLINED_FILES_MAX)) {
    if (file.index.definitions.length === 0) {
      omit(file.path, 'ranked lower, nothing to outline')
      continue
    }
    const clean = await readClean(file.path)
    if (!put({ ...file, clean, kind: 'outline', part: undefined }, budgetTokens * FILE_SHARE))
      omit(file.path, 'over the budget')
  }
  for (const { path } of ranked.slice(SLICED_FILES_MAX + OUTLINED_FILES_MAX))
    omit(path, 'ranked lower')
  return packed
}

type PackedFile = Pick<RankedFile, 'path' | 'index' | 'score' | 'reasons'> & {
  clean: { lines: readonly string[]; redactions: readonly Redaction[] }
} & (
    | { kind: 'file' | 'slice' | 'instructions'; part: Slice }
    | { kind: 'outline'; part: undefined }
  )

function itemOf({ path, index, clean, score, reasons, kind, part }: PackedFile) {
  const numbers =
    part === undefined
      ? index.definitions.slice(0, OUTLINE_LINES_MAX).map(({ line }) => line)
      : Array.from({ length: part.end - part.start + 1 }, (_, offset) => part.start + offset)
  const shown = new Set(numbers)
  const text = numbers.map((line) => clean.lines[line - 1] ?? '').join('\n')
  const item: ContextItem = {
    path,
    kind,
    start: numbers[0] ?? 1,
    end: numbers.at(-1) ?? 1,
    sha256: createHash('sha256').update(text).digest('hex'),
    tokens: estimateTokens(`${path}\n${text}`),
    score,
    reasons: [...reasons],
    text,
  }
  const redactions = clean.redactions
    .filter(({ line }) => shown.has(line))
    .map(({ line, rule }) => ({ path, line, rule }))
  return { item, redactions }
}

/** Instruction files in the directories of the files at hand, outermost first. */
function instructionsFor(
  files: readonly RankedFile[],
  instructions: ReadonlyMap<string, FileIndex>,
): [string, FileIndex][] {
  const wanted = [...instructions].filter(([path]) => {
    const folder = path.slice(0, path.lastIndexOf('/') + 1)
    return folder === '' || files.some((file) => file.path.startsWith(folder))
  })
  const depth = (path: string) => path.split('/').length
  return wanted.sort(([a], [b]) => depth(a) - depth(b) || (a < b ? -1 : 1))
}
