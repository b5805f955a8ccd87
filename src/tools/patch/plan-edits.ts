/**
 * Works out what a list of edits would do to the files, in memory, without touching any: either all
 * edits fit and the plan holds every write and deletion, or one does not and the plan is a rejection.
 * Edits see the results of those before them.
 */
import { applyBinary } from './binary-patch.ts'
import { applyHunks, type HunkMatch, sha256Of } from './apply-hunks.ts'
import { byteString, toBytes } from './byte-text.ts'
import { type Edit, type Judged, reject } from './edit.ts'
import { hunkOf } from './parse-envelope.ts'

export interface PlannedFile {
  content: Uint8Array
  /** Permission bits. */
  mode: number
}

/** What stands at a path. `other` is anything but a regular file that may be read and changed. */
export type FileState =
  | ({ kind: 'file' } & PlannedFile)
  | { kind: 'missing' }
  | { kind: 'other'; what: string }

export interface EditPlan {
  writes: readonly { path: string; file: PlannedFile; before: PlannedFile | undefined }[]
  deletes: readonly { path: string; before: PlannedFile }[]
  /** How each hunk was found, in the order of the edits. */
  matches: readonly ({ path: string } & HunkMatch)[]
}

type ReadFile = (path: string) => Promise<FileState>

const DEFAULT_MODE = 0o644

export async function planEdits(
  edits: readonly Edit[],
  readFile: ReadFile,
): Promise<Judged<EditPlan>> {
  const files = createOverlay(readFile)
  const matches: EditPlan['matches'][number][] = []
  for (const edit of edits) {
    const found = await planOne(edit, files)
    if (!found.ok) return found
    for (const match of found.value) matches.push({ path: edit.path, ...match })
  }
  return { ok: true, value: { ...files.changes(), matches } }
}

async function planOne(edit: Edit, files: Overlay): Promise<Judged<HunkMatch[]>> {
  const source = edit.from ?? edit.path
  const before = await files.read(source)
  if (before.kind === 'other') return notAFile(source, before.what)
  if (edit.kind === 'add') return planAdd(edit, before, files)
  if (before.kind === 'missing') return missing(source)
  if (edit.baseSha256 !== undefined && edit.baseSha256 !== sha256Of(before.content))
    return reject({
      code: 'base_changed',
      message: 'The file is not the one the edit was made for',
      file: source,
      next_action: 'Read the file again and make the edit from what it holds',
    })
  const after = contentAfter(edit, before)
  if (!after.ok) return after
  const { content, matches } = after.value
  if (edit.kind === 'delete') {
    if (content.length > 0 && (edit.hunks.length > 0 || edit.binary !== undefined))
      return reject({
        code: 'base_changed',
        message: 'The patch deletes the file, which holds more than the patch knows of',
        file: source,
        next_action: 'Read the file again before deleting it',
      })
    files.remove(source)
    return { ok: true, value: matches }
  }
  if (edit.kind === 'rename') {
    const free = await checkFree(edit.path, files)
    if (!free.ok) return free
    files.remove(source)
  }
  files.write(edit.path, { content, mode: edit.mode ?? before.mode })
  return { ok: true, value: matches }
}

function contentAfter(
  edit: Edit,
  before: PlannedFile,
): Judged<{ content: Uint8Array; matches: HunkMatch[] }> {
  if (edit.binary !== undefined) {
    const made = applyBinary(edit, edit.binary, before.content)
    return made.ok ? { ok: true, value: { content: made.value, matches: [] } } : made
  }
  if (edit.hunks.length === 0) return { ok: true, value: { content: before.content, matches: [] } }
  const applied = applyHunks(edit.from ?? edit.path, byteString(before.content), edit.hunks)
  if (!applied.ok) return applied
  const { text, matches } = applied.value
  return { ok: true, value: { content: toBytes(text), matches } }
}

async function planAdd(
  edit: Edit,
  before: Exclude<FileState, { kind: 'other' }>,
  files: Overlay,
): Promise<Judged<HunkMatch[]>> {
  const made = contentAfter(
    { ...edit, hunks: edit.hunks.length === 0 ? [hunkOf({})] : edit.hunks },
    { content: new Uint8Array(), mode: DEFAULT_MODE },
  )
  if (!made.ok) return made
  const { content } = made.value
  if (before.kind === 'file') {
    const mode = edit.mode ?? before.mode
    const same = Buffer.compare(before.content, content) === 0 && mode === before.mode
    if (same) return { ok: true, value: [{ hunk: 1, line: 1, tier: 'already_applied' }] }
    return exists(edit.path)
  }
  const free = await checkFree(edit.path, files)
  if (!free.ok) return free
  files.write(edit.path, { content, mode: edit.mode ?? DEFAULT_MODE })
  return { ok: true, value: [{ hunk: 1, line: 1, tier: 'exact' }] }
}

/** A new file needs a free name, below names that are directories or nothing. */
async function checkFree(path: string, files: Overlay): Promise<Judged<true>> {
  const there = await files.read(path)
  if (there.kind === 'file') return exists(path)
  if (there.kind === 'other') return notAFile(path, there.what)
  const names = path.split('/')
  for (let depth = names.length - 1; depth > 0; depth--) {
    const parent = names.slice(0, depth).join('/')
    const state = await files.read(parent)
    if (state.kind === 'file' || (state.kind === 'other' && state.what !== 'a directory'))
      return notAFile(path, `below "${parent}", which is no directory`)
    if (state.kind === 'other') break
  }
  return { ok: true, value: true }
}

interface Overlay {
  read(path: string): Promise<FileState>
  write(path: string, file: PlannedFile): void
  remove(path: string): void
  changes(): Pick<EditPlan, 'writes' | 'deletes'>
}

/** The files as they would be, over the files as they are; each is read once. */
function createOverlay(readFile: ReadFile): Overlay {
  const before = new Map<string, FileState>()
  const after = new Map<string, PlannedFile | undefined>()
  return {
    async read(path) {
      if (after.has(path)) {
        const file = after.get(path)
        return file === undefined ? { kind: 'missing' } : { kind: 'file', ...file }
      }
      const known = before.get(path) ?? (await readFile(path))
      before.set(path, known)
      return known
    },
    write: (path, file) => void after.set(path, file),
    remove: (path) => void after.set(path, undefined),
    changes() {
      const writes: EditPlan['writes'][number][] = []
      const deletes: EditPlan['deletes'][number][] = []
      for (const [path, file] of [...after].sort(([a], [b]) => (a < b ? -1 : 1))) {
        const state = before.get(path)
        const was =
          state?.kind === 'file' ? { content: state.content, mode: state.mode } : undefined
        if (file !== undefined && !isSame(file, was)) writes.push({ path, file, before: was })
        if (file === undefined && was !== undefined) deletes.push({ path, before: was })
      }
      return { writes, deletes }
    },
  }
}

function isSame(file: PlannedFile, was: PlannedFile | undefined): boolean {
  return was?.mode === file.mode && Buffer.compare(was.content, file.content) === 0
}

function exists(file: string) {
  return reject({
    code: 'file_exists',
    message: 'The file is there already, with other content',
    file,
    next_action: 'Change the file instead of adding it',
  })
}

function missing(file: string) {
  return reject({
    code: 'file_missing',
    message: 'There is no such file',
    file,
    next_action: 'Look for the file with glob, or add it',
  })
}

function notAFile(file: string, what: string) {
  return reject({
    code: 'not_a_file',
    message: `It is ${what}; only regular files can be changed`,
    file,
    next_action: 'Name a regular file',
  })
}
