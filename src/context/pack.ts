/**
 * Fills the budget: instructions that hold for the files at hand, then what failed and what changed,
 * then the best files as slices, then outlines of the next, until nothing more fits. Everything put in
 * says why, and what was left out says why not.
 */
import type { ContextPack } from '../schema/index.ts'
import { redactLines } from '../model/index.ts'
import type { Definition } from './definitions.ts'
import { linesOf } from './lines.ts'
import { type CleanText, itemOf, type MadeItem } from './pack-item.ts'
import type { Query } from './query.ts'
import type { RankedFile } from './rank.ts'
import { slicesOf } from './slices.ts'

const SLICED_FILES_MAX = 14
const OUTLINED_FILES_MAX = 20
const OUTLINE_LINES_MAX = 60
const OMITTED_MAX = 200
/** Part of the budget instructions may have. */
const INSTRUCTIONS_SHARE = 0.25
/** Part of the budget one file may have, so that none crowds out the rest. */
const FILE_SHARE = 0.4
/** Part of the budget one log or diff may have. */
const EXTRA_SHARE = 0.15
/** Lines of a log or diff that are looked at, from its end. */
const EXTRA_LINES_MAX = 5000

/** What a pack shows besides files of the tree. */
export interface PackExtra {
  kind: 'diff' | 'log'
  /** Stands where a path stands. */
  name: string
  text: string
}

export interface PackOptions {
  query: Query
  budgetTokens: number
  extras: readonly PackExtra[]
  /** Paths of instruction files of the tree. */
  instructions: readonly string[]
  /** A file as it is in the tree. */
  readText(path: string): Promise<string>
  definitionsOf(path: string, text: string): Promise<readonly Definition[]>
}

export type Packed = Pick<ContextPack, 'items' | 'omitted' | 'redactions'>

export async function packFiles(
  ranked: readonly RankedFile[],
  options: PackOptions,
): Promise<Packed> {
  const packed: Packed = { items: [], omitted: [], redactions: [] }
  const { budgetTokens } = options
  let left = budgetTokens
  const fill: Fill = {
    put(made, share) {
      if (made.item.tokens > Math.min(left, budgetTokens * share)) return false
      packed.items.push(made.item)
      packed.redactions.push(...made.redactions)
      left -= made.item.tokens
      return true
    },
    omit(path, reason) {
      if (packed.omitted.length < OMITTED_MAX) packed.omitted.push({ path, reason })
    },
    room: (share) => Math.min(left, budgetTokens * share),
  }
  const top = ranked.slice(0, SLICED_FILES_MAX)
  await putInstructions(fill, top, options)
  for (const extra of options.extras) putExtra(fill, extra)
  for (const file of top) await putSlices(fill, file, options)
  for (const file of ranked.slice(SLICED_FILES_MAX, SLICED_FILES_MAX + OUTLINED_FILES_MAX))
    await putOutline(fill, file, options)
  for (const { path } of ranked.slice(SLICED_FILES_MAX + OUTLINED_FILES_MAX))
    fill.omit(path, 'ranked lower')
  return packed
}

interface Fill {
  /** Whether it fits what is left and its share of the budget. */
  put(made: MadeItem, share: number): boolean
  omit(path: string, reason: string): void
  /** Tokens that `put()` would take. */
  room(share: number): number
}

/** Instruction files in the directories of the files at hand, outermost first. */
async function putInstructions(
  fill: Fill,
  files: readonly RankedFile[],
  { instructions, readText }: PackOptions,
): Promise<void> {
  const depth = (path: string) => path.split('/').length
  const wanted = instructions
    .filter((path) => {
      const folder = path.slice(0, path.lastIndexOf('/') + 1)
      return folder === '' || files.some((file) => file.path.startsWith(folder))
    })
    .sort((a, b) => depth(a) - depth(b) || (a < b ? -1 : 1))
  for (const path of wanted) {
    const clean = cleanText(await readText(path))
    const about = { path, kind: 'instructions', score: 0, reasons: ['instructions on the path'] }
    const made = itemOf({ ...about, kind: 'instructions' }, clean, wholeOf(clean))
    if (!fill.put(made, INSTRUCTIONS_SHARE)) fill.omit(path, 'over the budget')
  }
}

/** The end of a log and of what failed says more than its beginning. */
function putExtra(fill: Fill, { kind, name, text }: PackExtra): void {
  const clean = cleanText(linesOf(text).slice(-EXTRA_LINES_MAX).join('\n'))
  const reasons = [kind === 'log' ? 'what was put out before' : 'what has changed']
  const about = { path: name, kind, score: 0, reasons }
  for (let lines = clean.lines.length; lines > 0; lines = Math.floor(lines * 0.7)) {
    const start = clean.lines.length - lines + 1
    const made = itemOf(about, clean, range({ start, end: clean.lines.length }))
    if (!fill.put(made, EXTRA_SHARE)) continue
    if (start > 1) fill.omit(name, 'in part over the budget')
    return
  }
  fill.omit(name, clean.lines.length === 0 ? 'is empty' : 'over the budget')
}

async function putSlices(fill: Fill, file: RankedFile, options: PackOptions): Promise<void> {
  const text = await options.readText(file.path)
  const clean = cleanText(text)
  const definitions = await options.definitionsOf(file.path, text)
  const slices = slicesOf(file.places, { lines: clean.lines, definitions }, options.query)
  const fitting = slices.filter((part) => {
    const whole = part.start === 1 && part.end === clean.lines.length
    const { path, score, reasons } = file
    const about = { path, kind: whole ? 'file' : 'slice', score, reasons } as const
    return fill.put(itemOf(about, clean, range(part)), FILE_SHARE)
  })
  if (fitting.length < slices.length)
    fill.omit(file.path, fitting.length === 0 ? 'over the budget' : 'in part over the budget')
}

async function putOutline(fill: Fill, file: RankedFile, options: PackOptions): Promise<void> {
  const text = await options.readText(file.path)
  const definitions = await options.definitionsOf(file.path, text)
  const lines = [...new Set(definitions.map(({ line }) => line))].sort((a, b) => a - b)
  if (lines.length === 0) return fill.omit(file.path, 'ranked lower, nothing to outline')
  const { path, score, reasons } = file
  const about = { path, kind: 'outline', score, reasons } as const
  const made = itemOf(about, cleanText(text), lines.slice(0, OUTLINE_LINES_MAX))
  if (!fill.put(made, FILE_SHARE)) fill.omit(path, 'over the budget')
}

/** The whole text is looked at, since a secret may begin above what is shown. */
function cleanText(text: string): CleanText {
  return redactLines(linesOf(text))
}

function wholeOf({ lines }: CleanText): number[] {
  return range({ start: 1, end: Math.max(1, lines.length) })
}

function range({ start, end }: { start: number; end: number }): number[] {
  return Array.from({ length: end - start + 1 }, (_, offset) => start + offset)
}
