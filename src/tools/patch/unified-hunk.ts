/**
 * The body of one hunk of a unified diff.
 *
 * `exact`: the counts of its header must be right, as `git apply` wants; a patch cut short is refused.
 * `lenient`: what language models write. Wrong counts and missing numbers are forgiven, since the old
 * lines must be found in exactly one place anyway; the header of the next hunk or file ends the body.
 */
import type { Hunk, Judged } from './edit.ts'
import { type PatchLines, syntaxError } from './patch-lines.ts'

export type Counts = 'exact' | 'lenient'

const HEADER = /^@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@ ?([^]*)$/

export function isHunkHeader(line: string | undefined, counts: Counts): boolean {
  if (line === undefined || line.startsWith('@@@')) return false
  return counts === 'exact' ? line.startsWith('@@ -') : line.startsWith('@@')
}

export function parseHunk(lines: PatchLines, counts: Counts): Judged<Hunk> {
  const place = lines.at()
  const head = (lines.next() ?? '').replace(/\r$/, '')
  const match = HEADER.exec(head)
  if (match === null && counts === 'exact')
    return syntaxError(place, 'the hunk header is not of the form "@@ -1,2 +1,2 @@"')
  const body = lines.at()
  if (match !== null) {
    const [, start = '1', oldCount = '1', , newCount = '1', section = ''] = match
    const wanted = { old: Number(oldCount), new: Number(newCount) }
    const anchor = section === '' ? undefined : section
    // With no old lines, git names the line after which the new ones come.
    const hintLine = wanted.old === 0 ? Number(start) + 1 : Number(start)
    const read = readCounted(lines, wanted)
    const continued = isBodyLine(lines.peek(), lines.peek(1))
    if (read !== undefined && !continued)
      return { ok: true, value: { ...read, hintLine, anchor, atEnd: false } }
    if (counts === 'exact')
      return syntaxError(
        continued && read !== undefined ? lines.at() : place,
        `the hunk does not hold the ${wanted.old} old and ${wanted.new} new lines its header counts`,
      )
    lines.moveTo(body)
    return { ok: true, value: { ...readToNextHeader(lines), hintLine, anchor, atEnd: false } }
  }
  // Not by a pattern: a line of a million marks would be looked through from each of them.
  const [anchor = ''] = head
    .replace(/^@@+/, '')
    .split('@@', 1)
    .map((text) => text.trim())
  const value = {
    ...readToNextHeader(lines),
    hintLine: undefined,
    anchor: anchor === '' || anchor.startsWith('-') ? undefined : anchor,
    atEnd: false,
  }
  return { ok: true, value }
}

type Body = Pick<Hunk, 'oldLines' | 'newLines' | 'oldNoNewline' | 'newNoNewline'>

/** The body as its header counts it; `undefined` when it is not like that. */
function readCounted(lines: PatchLines, wanted: { old: number; new: number }): Body | undefined {
  const body = emptyBody()
  while (body.oldLines.length < wanted.old || body.newLines.length < wanted.new) {
    const line = lines.peek()
    if (line === undefined || !add(body, line)) return undefined
    lines.next()
  }
  if (body.oldLines.length !== wanted.old || body.newLines.length !== wanted.new) return undefined
  if (lines.peek()?.startsWith('\\') === true) add(body, lines.next() ?? '')
  return body
}

function readToNextHeader(lines: PatchLines): Body {
  const body = emptyBody()
  for (let line = lines.peek(); line !== undefined; line = lines.peek()) {
    const next = lines.peek(1)
    if (isHunkHeader(line, 'lenient') || line.startsWith('diff --git ')) break
    if (line.startsWith('--- ') && next?.startsWith('+++ ') === true) break
    if (line === '-- ' || line.startsWith('```') || !add(body, line)) break
    lines.next()
  }
  // Blank lines before the next header are between hunks, not in them.
  while (body.last === 'blank' && body.oldLines.at(-1) === '' && body.newLines.at(-1) === '') {
    body.oldLines.pop()
    body.newLines.pop()
    if (body.oldLines.length === 0 || body.newLines.length === 0) break
  }
  return body
}

interface GrowingBody extends Body {
  oldLines: string[]
  newLines: string[]
  last: 'old' | 'new' | 'both' | 'blank' | undefined
}

function emptyBody(): GrowingBody {
  return { oldLines: [], newLines: [], oldNoNewline: false, newNoNewline: false, last: undefined }
}

/** False when the line cannot belong to a hunk. */
function add(body: GrowingBody, line: string): boolean {
  const text = line.slice(1)
  if (line === '' || line === '\r' || line.startsWith(' ')) {
    body.oldLines.push(line === '\r' ? line : text)
    body.newLines.push(line === '\r' ? line : text)
    body.last = line === '' || line === '\r' ? 'blank' : 'both'
  } else if (line.startsWith('-')) {
    body.oldLines.push(text)
    body.last = 'old'
  } else if (line.startsWith('+')) {
    body.newLines.push(text)
    body.last = 'new'
  } else if (line.startsWith('\\') && body.last !== undefined) {
    if (body.last !== 'new') body.oldNoNewline = true
    if (body.last !== 'old') body.newNoNewline = true
  } else return false
  return true
}

/** Whether a line behind a finished hunk looks as if it still belonged to it. */
function isBodyLine(line: string | undefined, next: string | undefined): boolean {
  if (line === undefined || line === '-- ') return false
  if (line.startsWith('--- ') && next?.startsWith('+++ ') === true) return false
  return line.startsWith(' ') || line.startsWith('+') || line.startsWith('-')
}
