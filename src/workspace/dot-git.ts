/**
 * Names a tree must never carry because some file system takes them for git's own: `.git` whatever
 * the case, the NTFS short name, trailing dots and spaces, alternate streams, and spellings with the
 * code points HFS+ ignores. The same set git refuses with `core.protectHFS` and `core.protectNTFS`.
 */
import { type BytePath, toBytes } from './byte-path.ts'

/** Code points HFS+ leaves out when it compares names. */
const HFS_IGNORED = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g
const NTFS_DOT_GIT = /^(?:\.git|git~1)[. ]*(?:$|:)/i
const NTFS_DOT_GITMODULES =
  /^(?:\.gitmodules|gitmod~[1-4]|gi7eba~[1-9]|gi7eb[0-9a-f]*~[1-9])[. ]*(?:$|:)/i

/** Whether one path component reads as `.git` on Linux, macOS or Windows. */
export function isDotGit(name: BytePath): boolean {
  // A backslash is a separator on Windows, so each piece counts.
  if (name.split('\\').some((piece) => NTFS_DOT_GIT.test(piece))) return true
  return withoutIgnored(name) === '.git'
}

/** Whether a symbolic link of this name would stand in for `.gitmodules`. */
export function isDotGitmodules(name: BytePath): boolean {
  if (name.split('\\').some((piece) => NTFS_DOT_GITMODULES.test(piece))) return true
  return withoutIgnored(name) === '.gitmodules'
}

/** Why git would refuse the path in a tree, or undefined when it would not. */
export function unsafePath(path: BytePath): string | undefined {
  for (const name of path.split('/')) {
    if (name === '' || name === '.' || name === '..') return 'an empty, "." or ".." component'
    if (name.includes('\0')) return 'a NUL byte'
    if (isDotGit(name)) return 'a component that reads as ".git"'
  }
  return undefined
}

function withoutIgnored(name: BytePath): string {
  // Longer than any spelling that matters, and the common case by far.
  if (!/^[.g\x80-\xff]/i.test(name)) return name
  return toBytes(name).toString('utf8').replaceAll(HFS_IGNORED, '').toLowerCase()
}
