/** Unified diffs, plain and git's: adds, deletes, renames, modes, quoted names, binary patches. */
import { parseBinaryPatch } from './binary-patch.ts'
import { type Edit, type FileMode, type Hunk, type Judged, reject } from './edit.ts'
import { type PatchLines, patchLines, syntaxError } from './patch-lines.ts'
import { type Counts, isHunkHeader, parseHunk } from './unified-hunk.ts'
import { gitNames, headerName, patchPath, withoutPrefixes } from './unified-paths.ts'

const EDITS_MAX = 5000

export function parseUnified(text: string, counts: Counts): Judged<Edit[]> {
  const lines = patchLines(text)
  const edits: Edit[] = []
  for (let line = lines.peek(); line !== undefined; line = lines.peek()) {
    const plain = line.startsWith('--- ') && lines.peek(1)?.startsWith('+++ ') === true
    if (line.startsWith('diff --cc ') || line.startsWith('diff --combined '))
      return syntaxError(lines.at(), 'a merge diff has two old sides and cannot be applied')
    if (!plain && !line.startsWith('diff --git ')) {
      // A hunk that no header names a file for would otherwise vanish without a word.
      if (isHunkHeader(line, counts) && edits.length === 0)
        return syntaxError(lines.at(), 'a hunk comes before any file header')
      lines.next()
      continue
    }
    const edit = parseFile(lines, counts)
    if (!edit.ok) return edit
    edits.push(edit.value)
    if (edits.length > EDITS_MAX)
      return syntaxError(lines.at(), `it changes more than ${EDITS_MAX} files`)
  }
  if (edits.length === 0) return syntaxError(0, 'no file header was found in it')
  return { ok: true, value: edits }
}

interface Header {
  oldName: string | undefined
  newName: string | undefined
  oldMode: string | undefined
  newMode: string | undefined
  added: boolean
  deleted: boolean
  renameFrom: string | undefined
  renameTo: string | undefined
  copied: boolean
  oldOid: string | undefined
}

function parseFile(lines: PatchLines, counts: Counts): Judged<Edit> {
  const place = lines.at()
  const header = parseHeader(lines)
  const shape = shapeOf(header, place)
  if (!shape.ok) return shape
  const edit = shape.value
  const first = lines.peek()
  if (first?.startsWith('Binary files ') === true)
    return reject({
      code: 'unsupported_change',
      message: 'The patch says that binary files differ, but does not hold them',
      file: edit.path,
      next_action: 'Make the patch with `git diff --binary`',
    })
  if (first?.startsWith('GIT binary patch') === true) {
    const binary = parseBinaryPatch(lines, header.oldOid)
    return binary.ok ? { ok: true, value: { ...edit, binary: binary.value } } : binary
  }
  const hunks: Hunk[] = []
  while (isHunkHeader(lines.peek(), counts)) {
    const hunk = parseHunk(lines, counts)
    if (!hunk.ok) return { ok: false, rejection: { ...hunk.rejection, file: edit.path } }
    hunks.push(hunk.value)
  }
  return { ok: true, value: { ...edit, hunks } }
}

/** Which extended header sets which part; `undefined` for a line that is none. */
function headerPart(line: string): Partial<Header> | undefined {
  const rest = (prefix: string) =>
    line.startsWith(prefix) ? line.slice(prefix.length).replace(/\r$/, '') : undefined
  const mode = (prefix: string) => rest(prefix)?.trim()
  if (line.startsWith('old mode ')) return { oldMode: mode('old mode ') }
  if (line.startsWith('new mode ')) return { newMode: mode('new mode ') }
  if (line.startsWith('new file mode ')) return { added: true, newMode: mode('new file mode ') }
  if (line.startsWith('deleted file mode '))
    return { deleted: true, oldMode: mode('deleted file mode ') }
  if (line.startsWith('rename from ')) return { renameFrom: headerName(rest('rename from ') ?? '') }
  if (line.startsWith('rename to ')) return { renameTo: headerName(rest('rename to ') ?? '') }
  if (line.startsWith('copy from ') || line.startsWith('copy to ')) return { copied: true }
  if (/^(dis)?similarity index /.test(line)) return {}
  const index = /^index ([0-9a-f]+)\.\.([0-9a-f]+)(?: ([0-7]+))?/.exec(line)
  if (index === null) return undefined
  const [, oldOid, , indexMode] = index
  return { oldOid, ...(indexMode === undefined ? {} : { oldMode: indexMode }) }
}

function parseHeader(lines: PatchLines): Header {
  let header: Header = {
    oldName: undefined,
    newName: undefined,
    oldMode: undefined,
    newMode: undefined,
    added: false,
    deleted: false,
    renameFrom: undefined,
    renameTo: undefined,
    copied: false,
    oldOid: undefined,
  }
  const first = lines.peek() ?? ''
  if (first.startsWith('diff --git ')) {
    lines.next()
    const names = gitNames(first.slice('diff --git '.length))
    const bare = names === undefined ? undefined : withoutPrefixes(names)
    header = { ...header, oldName: bare?.old, newName: bare?.new }
    for (let part = headerPart(lines.peek() ?? ''); part; part = headerPart(lines.peek() ?? '')) {
      header = { ...header, ...part }
      lines.next()
    }
  }
  if (lines.peek()?.startsWith('--- ') !== true) return header
  if (lines.peek(1)?.startsWith('+++ ') !== true) return header
  const old = headerName((lines.next() ?? '').slice(4))
  const fresh = headerName((lines.next() ?? '').slice(4))
  const bare = withoutPrefixes({ old, new: fresh })
  return {
    ...header,
    // Where the `diff --git` line can be read, it alone shows whether names have prefixes.
    oldName: header.oldName ?? bare.old,
    newName: header.newName ?? bare.new,
    added: header.added || old === undefined,
    deleted: header.deleted || fresh === undefined,
  }
}

function shapeOf(header: Header, place: number): Judged<Edit> {
  const { added, deleted, renameFrom } = header
  if (header.copied)
    return reject({
      code: 'unsupported_change',
      message: 'The patch copies a file',
      next_action: 'Make the patch without copy detection (`git diff --no-renames`)',
    })
  const name = nameOf(header)
  if (name === undefined || (added && deleted))
    return syntaxError(place, 'the header does not tell which file it is about')
  const path = patchPath(name)
  if (!path.ok) return path
  const mode = fileMode(deleted ? header.oldMode : (header.newMode ?? header.oldMode), path.value)
  if (!mode.ok) return mode
  // Two names without rename headers: a plain diff between two files, of which the new one counts.
  const from = renameFrom === undefined ? undefined : patchPath(renameFrom)
  if (from?.ok === false) return from
  const moved = from !== undefined && from.value !== path.value
  return {
    ok: true,
    value: {
      kind: kindOf(header, moved),
      path: path.value,
      from: moved ? from.value : undefined,
      mode: header.newMode === undefined ? undefined : mode.value,
      baseSha256: undefined,
      hunks: [],
      binary: undefined,
    },
  }
}

function kindOf({ added, deleted }: Header, moved: boolean): Edit['kind'] {
  if (added) return 'add'
  if (deleted) return 'delete'
  return moved ? 'rename' : 'update'
}

function nameOf({ deleted, oldName, newName, renameTo }: Header): string | undefined {
  return renameTo ?? (deleted ? oldName : (newName ?? oldName))
}

function fileMode(text: string | undefined, file: string): Judged<FileMode | undefined> {
  if (text === undefined) return { ok: true, value: undefined }
  if (text === '100644' || text === '100664') return { ok: true, value: 0o644 }
  if (text === '100755') return { ok: true, value: 0o755 }
  const what = { '120000': 'a symbolic link', '160000': 'a submodule' }[text] ?? `mode "${text}"`
  return reject({
    code: 'unsupported_mode',
    message: `The patch makes or changes ${what}; only regular files can be`,
    file,
    next_action: 'Leave that file out of the patch',
  })
}
