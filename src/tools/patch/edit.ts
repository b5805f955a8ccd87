/**
 * The one canonical form of a change to files, whatever syntax it was written in.
 *
 * All text in it is a *byte string*: one character per byte (latin1), so that a file in any encoding
 * comes through unchanged. `byte-text.ts` goes between these and ordinary text.
 */

export interface Hunk {
  /** Lines to be found, without their `\n`; a `\r` before it is part of the line. */
  oldLines: readonly string[]
  newLines: readonly string[]
  /** Line, from 1, at which the old lines are said to begin. Breaks ties, never more. */
  hintLine: number | undefined
  /** A line above the hunk, such as the head of its function. Breaks ties, never more. */
  anchor: string | undefined
  /** The old side is said to end the file without a newline. */
  oldNoNewline: boolean
  /** The new side ends the file without a newline. */
  newNoNewline: boolean
  /** The old lines are said to be the last of the file. */
  atEnd: boolean
}

/** Content that is not text, from a `GIT binary patch`. */
export interface BinaryChange {
  method: 'literal' | 'delta'
  /** The content, or the delta that makes it. */
  data: Uint8Array
  /** Full git object id of the content before; `undefined` for an added file. */
  oldOid: string | undefined
}

export type FileMode = 0o644 | 0o755

export interface Edit {
  kind: 'add' | 'update' | 'delete' | 'rename'
  /** Canonical repository path; of the result, for a rename. */
  path: string
  /** Where a renamed file comes from. */
  from: string | undefined
  /** The mode it gets; `undefined` keeps what it has, 644 for an added file. */
  mode: FileMode | undefined
  /** The content it must have before; `undefined` when the author did not say. */
  baseSha256: string | undefined
  /** In file order. An added file has at most one; a deletion may have none. */
  hunks: readonly Hunk[]
  binary: BinaryChange | undefined
}

/** How exactly the old lines of a hunk were found; each tier forgives more than the one before. */
export const MATCH_TIERS = ['exact', 'eol', 'trailing_ws', 'indent'] as const
export type MatchTier = (typeof MATCH_TIERS)[number]

type RejectionCode =
  | 'patch_syntax'
  | 'patch_too_large'
  | 'unsafe_path'
  | 'unsupported_mode'
  | 'unsupported_change'
  | 'file_missing'
  | 'file_exists'
  | 'not_a_file'
  | 'base_changed'
  | 'ambiguous_match'
  | 'context_not_found'
  | 'no_change'

/** Why nothing was changed, for a person and for a model alike. */
export interface Rejection {
  code: RejectionCode
  message: string
  /** Repository path, where the fault lies in one file. */
  file: string | undefined
  /** Hunk of that file, from 1. */
  hunk: number | undefined
  /** Line of the file, from 1, at which the best candidate stops to match. */
  first_divergent_line: number | undefined
  /** Places of the file that come closest, or that all match. */
  nearest: readonly { line: number; similarity: number; text: string }[]
  next_action: string
}

export type Judged<T> = { ok: true; value: T } | { ok: false; rejection: Rejection }

interface RejectionDraft {
  code: RejectionCode
  message: string
  next_action: string
  file?: string | undefined
  hunk?: number | undefined
  first_divergent_line?: number | undefined
  nearest?: Rejection['nearest']
}

export function reject({
  file,
  hunk,
  first_divergent_line,
  nearest = [],
  ...rest
}: RejectionDraft): { ok: false; rejection: Rejection } {
  return { ok: false, rejection: { ...rest, file, hunk, first_divergent_line, nearest } }
}

/** A rejection as text: what, where, what comes near, what to do. */
export function describeRejection(rejection: Rejection): string {
  const { code, message, file, hunk, first_divergent_line: divergent, nearest } = rejection
  const place = [file === undefined ? '' : `"${file}"`, hunk === undefined ? '' : `hunk ${hunk}`]
  const where = place.filter(Boolean).join(', ')
  const near = nearest.map(
    ({ line, similarity, text }) =>
      `line ${line} (${Math.round(similarity * 100)}% alike):\n${text}`,
  )
  return [
    `${code}${where === '' ? '' : ` in ${where}`}: ${message}`,
    ...(divergent === undefined ? [] : [`First line that differs: ${divergent}`]),
    ...(near.length === 0 ? [] : ['Nearest places of the file as it is:', ...near]),
    `Next: ${rejection.next_action}`,
  ].join('\n')
}

/** Every path an edit list reads or changes, sorted, each once. */
export function editPaths(edits: readonly Edit[]): string[] {
  const paths = edits.flatMap(({ path, from }) => (from === undefined ? [path] : [from, path]))
  return [...new Set(paths)].sort((a, b) => (a < b ? -1 : 1))
}
