/**
 * An old text to be replaced by a new one, as an edit. The old text may be any part of the file, so
 * it is looked for as text first; only when it is nowhere does line matching get its turn, which
 * forgives line ends, trailing blanks and indentation and explains what comes near.
 */
import { byteString, type FileText, joinFile, shown, splitFile } from './byte-text.ts'
import { type Edit, type Judged, reject } from './edit.ts'
import { findText } from './find-text.ts'
import { TELLING_LENGTH } from './match-hunk.ts'
import { hunkOf } from './parse-envelope.ts'

export interface Replacement {
  path: string
  oldText: string
  newText: string
  /** Every place instead of the only one. */
  all: boolean
}

/** Places shown of an old text that stands in several. */
const PLACES_MAX = 5
/** Places replaced at once. */
const REPLACED_MAX = 10_000

/** The edit, or `undefined` when the file already reads as it should. */
export function replaceText(
  content: Uint8Array,
  { path, oldText, newText, all }: Replacement,
): Judged<Edit | undefined> {
  if (oldText === newText)
    return reject({
      code: 'no_change',
      message: 'Old and new text are the same',
      file: path,
      next_action: 'Say what the text should become',
    })
  const text = byteString(content)
  const file = splitFile(text)
  const wanted = { old: inStyleOf(file, oldText), new: inStyleOf(file, newText) }
  const places = findText(text, wanted.old, REPLACED_MAX)
  if (places.length > 1 && !all) return ambiguous(path, text, places)
  if (places.length > REPLACED_MAX)
    return reject({
      code: 'unsupported_change',
      message: `The old text stands in more than ${REPLACED_MAX} places`,
      file: path,
      next_action: 'Choose a longer old text',
    })
  if (places.length > 0) {
    const after = replaced(text, { places, ...wanted })
    return { ok: true, value: editOf(path, file, splitFile(after)) }
  }
  if (standsOnce(text, wanted.new)) return { ok: true, value: undefined }
  return { ok: true, value: lineEdit(path, oldText, newText) }
}

/** A file that ends its lines with CRLF gets them from a text that knows only LF. */
function inStyleOf(file: FileText, text: string): string {
  const bytes = byteString(text)
  return file.eol === 'crlf' && !bytes.includes('\r') ? bytes.replaceAll('\n', '\r\n') : bytes
}

/** Whether a text long enough to mean something stands in one place, and not inside a word. */
function standsOnce(text: string, wanted: string): boolean {
  const [place, other] = findText(text, wanted, REPLACED_MAX)
  if (wanted.trim().length < TELLING_LENGTH || place === undefined || other !== undefined)
    return false
  const around = [text[place - 1], wanted[0], wanted.at(-1), text[place + wanted.length]]
  const [before, first, last, after] = around.map((letter) => /\w/.test(letter ?? ' '))
  return !(before === true && first === true) && !(last === true && after === true)
}

function replaced(
  text: string,
  { places, old, new: fresh }: { places: readonly number[]; old: string; new: string },
): string {
  const parts: string[] = []
  let next = 0
  for (const place of places) {
    parts.push(text.slice(next, place), fresh)
    next = place + old.length
  }
  return parts.join('') + text.slice(next)
}

/** One hunk from the first line that differs to the last. */
function editOf(path: string, before: FileText, after: FileText): Edit {
  const most = Math.min(before.lines.length, after.lines.length)
  let head = 0
  while (head < most && before.lines[head] === after.lines[head]) head += 1
  let tail = 0
  while (tail < most - head && before.lines.at(-1 - tail) === after.lines.at(-1 - tail)) tail += 1
  const newlineChanged = before.finalNewline !== after.finalNewline
  // A changed end of the file belongs to its last line.
  if (newlineChanged) tail = 0
  if (newlineChanged && head === most && head > 0) head -= 1
  const hunk = hunkOf({
    oldLines: before.lines.slice(head, before.lines.length - tail),
    newLines: after.lines.slice(head, after.lines.length - tail),
    hintLine: head + 1,
    oldNoNewline: newlineChanged && !before.finalNewline,
    newNoNewline: newlineChanged && !after.finalNewline && joinFile(after.lines, true) !== '',
  })
  return { ...update(path), hunks: [hunk] }
}

function lineEdit(path: string, oldText: string, newText: string): Edit {
  const lines = (text: string) => {
    const bytes = byteString(text)
    return bytes === '' ? [] : bytes.replace(/\n$/, '').split('\n')
  }
  const hunk = hunkOf({ oldLines: lines(oldText), newLines: lines(newText) })
  return { ...update(path), hunks: [hunk] }
}

function update(path: string): Edit {
  return {
    kind: 'update',
    path,
    from: undefined,
    mode: undefined,
    baseSha256: undefined,
    hunks: [],
    binary: undefined,
  }
}

function ambiguous(path: string, text: string, places: readonly number[]): Judged<never> {
  const nearest = places.slice(0, PLACES_MAX).map((place) => {
    const line = text.slice(0, place).split('\n').length
    const start = text.lastIndexOf('\n', place - 1) + 1
    const end = text.indexOf('\n', place)
    const whole = text.slice(start, end < 0 ? undefined : end)
    return { line, similarity: 1, text: shown(whole.slice(0, 200)) }
  })
  return reject({
    code: 'ambiguous_match',
    message: `The old text stands in ${places.length > REPLACED_MAX ? 'very many' : places.length} places`,
    file: path,
    nearest,
    next_action: 'Add lines above or below so that it stands in one place, or set replace_all',
  })
}
