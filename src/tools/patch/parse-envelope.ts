/** The envelope syntax: `*** Begin Patch` … `*** Update File: …` … `*** End Patch`. */
import type { Edit, Hunk, Judged } from './edit.ts'
import { type PatchLines, patchLines, syntaxError } from './patch-lines.ts'
import { patchPath } from './unified-paths.ts'

const BEGIN = '*** Begin Patch'
const END = '*** End Patch'
const END_OF_FILE = '*** End of File'

export function parseEnvelope(text: string): Judged<Edit[]> {
  const lines = patchLines(text)
  while (lines.peek() !== undefined && plain(lines.peek()) !== BEGIN) lines.next()
  lines.next()
  const edits: Edit[] = []
  for (;;) {
    const line = plain(lines.peek())
    if (line === END) break
    if (line === undefined) return syntaxError(lines.at(), `the patch does not end with "${END}"`)
    if (line === '') {
      lines.next()
      continue
    }
    const edit = parseSection(lines, line)
    if (!edit.ok) return edit
    edits.push(edit.value)
  }
  if (edits.length === 0) return syntaxError(0, 'the envelope holds no file')
  return { ok: true, value: edits }
}

const SECTION = /^\*\*\* (Add|Delete|Update) File: (.+)$/

function parseSection(lines: PatchLines, line: string): Judged<Edit> {
  const [, verb, name = ''] = SECTION.exec(line) ?? []
  if (verb === undefined)
    return syntaxError(
      lines.at(),
      'expected "*** Add File:", "*** Delete File:" or "*** Update File:"',
    )
  lines.next()
  const path = patchPath(name.trim())
  if (!path.ok) return path
  const edit: Edit = {
    kind: 'update',
    path: path.value,
    from: undefined,
    mode: undefined,
    baseSha256: undefined,
    hunks: [],
    binary: undefined,
  }
  if (verb === 'Delete') return { ok: true, value: { ...edit, kind: 'delete' } }
  if (verb === 'Add') return parseAdd(lines, edit)
  return parseUpdate(lines, edit)
}

function parseAdd(lines: PatchLines, edit: Edit): Judged<Edit> {
  const newLines: string[] = []
  while (lines.peek()?.startsWith('+') === true) newLines.push((lines.next() ?? '').slice(1))
  const next = lines.peek()
  if (next !== undefined && next !== '' && !next.startsWith('*** '))
    return syntaxError(lines.at(), 'every line of an added file begins with "+"', edit.path)
  return { ok: true, value: { ...edit, kind: 'add', hunks: [hunkOf({ newLines })] } }
}

function parseUpdate(lines: PatchLines, edit: Edit): Judged<Edit> {
  let target = edit
  const moved = /^\*\*\* Move to: (.+)$/.exec(plain(lines.peek()) ?? '')?.[1]
  if (moved !== undefined) {
    lines.next()
    const path = patchPath(moved.trim())
    if (!path.ok) return path
    target = { ...edit, kind: 'rename', from: edit.path, path: path.value }
  }
  const hunks: Hunk[] = []
  while (!startsSection(lines.peek())) {
    const hunk = parseChunk(lines, edit.path)
    if (!hunk.ok) return hunk
    hunks.push(hunk.value)
  }
  if (hunks.length === 0 && target.kind === 'update')
    return syntaxError(lines.at(), 'the update holds no change', edit.path)
  return { ok: true, value: { ...target, hunks } }
}

/** `@@ anchor` lines, of which the last counts, and then changed lines. */
function parseChunk(lines: PatchLines, file: string): Judged<Hunk> {
  let anchor: string | undefined
  while (lines.peek()?.startsWith('@@') === true) {
    const text = (plain(lines.next()) ?? '').replace(/^@@ ?/, '').replace(/ ?@@$/, '')
    anchor = text === '' ? anchor : text
  }
  const oldLines: string[] = []
  const newLines: string[] = []
  let atEnd = false
  for (let line = lines.peek(); line !== undefined; line = lines.peek()) {
    if (plain(line) === END_OF_FILE) {
      atEnd = true
      lines.next()
      break
    }
    const text = line.slice(1)
    if (line.startsWith(' ') || line === '') {
      oldLines.push(text)
      newLines.push(text)
    } else if (line.startsWith('-')) oldLines.push(text)
    else if (line.startsWith('+')) newLines.push(text)
    else break
    lines.next()
  }
  if (oldLines.length === 0 && newLines.length === 0)
    return syntaxError(lines.at(), 'expected a line that begins with " ", "-" or "+"', file)
  return { ok: true, value: hunkOf({ oldLines, newLines, anchor, atEnd }) }
}

function startsSection(line: string | undefined): boolean {
  if (line === undefined) return true
  return line.startsWith('*** ') && plain(line) !== END_OF_FILE
}

function plain(line: string | undefined): string | undefined {
  return line?.trimEnd()
}

/** A hunk of a syntax that knows neither line numbers nor missing final newlines. */
export function hunkOf(part: Partial<Hunk>): Hunk {
  return {
    oldLines: [],
    newLines: [],
    hintLine: undefined,
    anchor: undefined,
    oldNoNewline: false,
    newNoNewline: false,
    atEnd: false,
    ...part,
  }
}
