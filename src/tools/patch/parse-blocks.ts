/** Search/replace blocks: a file name, then `<<<<<<< SEARCH`, `=======`, `>>>>>>> REPLACE`. */
import type { Edit, Judged } from './edit.ts'
import { hunkOf } from './parse-envelope.ts'
import { type PatchLines, patchLines, syntaxError } from './patch-lines.ts'
import { patchPath } from './unified-paths.ts'

const SEARCH = /^<{5,9} SEARCH\s*$/
const DIVIDER = /^={5,9}\s*$/
const REPLACE = /^>{5,9} REPLACE\s*$/

/** Each block is an edit of its own: blocks of one file may come in any order. */
export function parseBlocks(text: string): Judged<Edit[]> {
  const lines = patchLines(text)
  const edits: Edit[] = []
  let name: string | undefined
  for (let line = lines.next(); line !== undefined; line = lines.next()) {
    if (!SEARCH.test(line)) {
      const candidate = line.trim()
      if (candidate !== '' && !candidate.startsWith('```')) name = candidate
      continue
    }
    const place = lines.at() - 1
    if (name === undefined) return syntaxError(place, 'no file name stands above the block')
    const path = patchPath(name)
    if (!path.ok) return path
    const oldLines = readUntil(lines, DIVIDER)
    const newLines = oldLines === undefined ? undefined : readUntil(lines, REPLACE)
    if (oldLines === undefined || newLines === undefined)
      return syntaxError(place, 'the block does not end with "=======" and ">>>>>>> REPLACE"')
    edits.push({
      kind: oldLines.length === 0 ? 'add' : 'update',
      path: path.value,
      from: undefined,
      mode: undefined,
      baseSha256: undefined,
      hunks: [hunkOf({ oldLines, newLines })],
      binary: undefined,
    })
  }
  return { ok: true, value: edits }
}

function readUntil(lines: PatchLines, end: RegExp): string[] | undefined {
  const read: string[] = []
  for (let line = lines.next(); line !== undefined; line = lines.next()) {
    if (end.test(line)) return read
    read.push(line)
  }
  return undefined
}
