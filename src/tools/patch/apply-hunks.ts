/** One file's hunks against one file's content: all of them fit, or none is applied. */
import { createHash } from 'node:crypto'
import { type FileText, joinFile, splitFile, withBom } from './byte-text.ts'
import { type Hunk, type Judged, type MatchTier, reject } from './edit.ts'
import { notFound, tooMany } from './explain-mismatch.ts'
import { type Cursor, locateHunk } from './match-hunk.ts'
import { reindent, reindentation } from './reindent.ts'

export interface HunkMatch {
  /** From 1 */
  hunk: number
  /** Line of the file, from 1, before the change. */
  line: number
  tier: MatchTier | 'already_applied'
}

/** Each hunk is looked for in the whole file, to know that there is one place only. */
const LINES_SEARCHED_MAX = 50_000_000

interface Placed {
  hunk: Hunk
  index: number
  tier: MatchTier
}

/** The content after all hunks, and how each was found. */
export function applyHunks(
  path: string,
  text: string,
  hunks: readonly Hunk[],
): Judged<{ text: string; matches: HunkMatch[] }> {
  const file = splitFile(text)
  if (hunks.length * file.lines.length > LINES_SEARCHED_MAX)
    return reject({
      code: 'patch_too_large',
      file: path,
      message: `it has ${hunks.length} hunks for a file of ${file.lines.length} lines`,
      next_action: 'Write the file anew instead, or join hunks that lie close together',
    })
  const placed: Placed[] = []
  const matches: HunkMatch[] = []
  let cursor: Cursor = { from: 0, shift: 0 }
  for (const [number, hunk] of hunks.entries()) {
    const place = { file: path, hunk: number + 1 }
    const located = locateHunk(file, hunk, cursor)
    if (located.kind === 'not_found') return notFound(file, { ...place, lines: hunk, cursor })
    if (located.kind === 'ambiguous')
      return tooMany(file, { ...place, lines: hunk, indexes: located.indexes })
    const { index } = located
    const applied = located.kind === 'already_applied'
    if (!applied) placed.push({ hunk, index, tier: located.tier })
    matches.push({
      hunk: number + 1,
      line: index + 1,
      tier: applied ? 'already_applied' : located.tier,
    })
    const used = applied ? hunk.newLines.length : hunk.oldLines.length
    const shift = hunk.hintLine === undefined ? cursor.shift : index - (hunk.hintLine - 1)
    cursor = { from: index + used, shift }
  }
  return { ok: true, value: { text: rebuilt(file, placed), matches } }
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function rebuilt(file: FileText, placed: readonly Placed[]): string {
  const lines: string[] = []
  let { finalNewline } = file
  let next = 0
  for (const place of placed) {
    const { hunk, index } = place
    // One by one: a spread of a large file's lines overflows the stack.
    for (const line of file.lines.slice(next, index)) lines.push(line)
    for (const line of newLinesOf(file, place)) lines.push(line)
    next = index + hunk.oldLines.length
    if (hunk.newNoNewline) finalNewline = false
    else if (hunk.oldNoNewline) finalNewline = true
  }
  for (const line of file.lines.slice(next)) lines.push(line)
  const [first] = lines
  if (file.bom && placed.some(({ tier }) => tier !== 'exact') && first !== undefined)
    lines[0] = withBom(first)
  return joinFile(lines, finalNewline)
}

/** Beyond the exact tier, lines that stay keep the file's bytes and lines that come take its style. */
function newLinesOf(file: FileText, { hunk, index, tier }: Placed): readonly string[] {
  if (tier === 'exact') return hunk.newLines
  const there = file.lines.slice(index, index + hunk.oldLines.length)
  const rule = tier === 'indent' ? reindentation(there, hunk.oldLines) : undefined
  const stays = inOrder(hunk.oldLines)
  return hunk.newLines.map((line) => {
    const kept = there[stays(line) ?? -1]
    if (kept !== undefined) return kept
    const moved = rule === undefined ? line : reindent(line, rule)
    if (file.eol === 'crlf') return moved.endsWith('\r') ? moved : `${moved}\r`
    return file.eol === 'lf' ? moved.replace(/\r$/, '') : moved
  })
}

/** Finds each given line among `lines`, never before the one found last; linear over all calls. */
function inOrder(lines: readonly string[]): (line: string) => number | undefined {
  const places = new Map<string, number[]>()
  for (const [index, line] of [...lines.entries()].reverse()) {
    const known = places.get(line)
    if (known === undefined) places.set(line, [index])
    else known.push(index)
  }
  let at = 0
  return (line) => {
    const known = places.get(line) ?? []
    let index = known.pop()
    while (index !== undefined && index < at) index = known.pop()
    if (index !== undefined) at = index + 1
    return index
  }
}
