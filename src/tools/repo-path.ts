/**
 * Paths as models and patches write them, made canonical before anything else sees them: relative to
 * the repository, `/` between components, no `..`, nothing absolute, nothing of git's own.
 *
 * This is the lexical half. That no component is a symbolic link is the sandbox's half: it opens
 * without following any.
 */
import { OpenExecError } from '../schema/index.ts'

/** Where the repository lies inside every sandbox. */
export const WORKSPACE = '/workspace'

const PATH_BYTES_MAX = 4096
const NAME_BYTES_MAX = 255

export type RepoPathResult = { ok: true; path: string } | { ok: false; reason: string }

/** The canonical form of `text`; `.` is the repository itself. Throws `bad_request`. */
export function repoPath(text: string): string {
  const result = parseRepoPath(text)
  if (result.ok) return result.path
  throw new OpenExecError(
    'bad_request',
    `Cannot use path ${JSON.stringify(text.slice(0, 200))}: it ${result.reason}`,
    { hint: 'Name files relative to the repository, such as "src/index.ts"' },
  )
}

/** The canonical form of `text`, or what is wrong with it. Never throws. */
export function parseRepoPath(text: string): RepoPathResult {
  const refuse = (reason: string): RepoPathResult => ({ ok: false, reason })
  if (Buffer.byteLength(text) > PATH_BYTES_MAX)
    return refuse(`is longer than ${PATH_BYTES_MAX} bytes`)
  if (Buffer.from(text).toString() !== text || text.includes('\uFFFD'))
    return refuse('is not valid Unicode')
  if (hasControlCharacter(text)) return refuse('holds a control character')
  if (text.startsWith('/') || text.startsWith('~') || /^[A-Za-z]:[\\/]/.test(text))
    return refuse('is not relative to the repository')
  const names = text.split('/').filter((name) => name !== '' && name !== '.')
  for (const name of names) {
    if (name === '..') return refuse('leaves its directory with ".."')
    if (Buffer.byteLength(name) > NAME_BYTES_MAX)
      return refuse(`holds a name longer than ${NAME_BYTES_MAX} bytes`)
    if (isGitDirectory(name)) return refuse("lies in git's own directory")
  }
  return { ok: true, path: names.length === 0 ? '.' : names.join('/') }
}

/** The absolute path inside the sandbox of a canonical repository path. */
export function workspacePath(path: string): string {
  return path === '.' ? WORKSPACE : `${WORKSPACE}/${path}`
}

/**
 * `.git` in every spelling that some file system takes for it: case, trailing dots and blanks,
 * 8.3 short names, code points that are ignored. The result may be checked out anywhere later.
 */
export function isGitDirectory(name: string): boolean {
  const plain = name
    .normalize('NFKC')
    .replaceAll(/[\u00AD\u200B-\u200F\u202A-\u202E\u2060-\u206F\uFEFF]/g, '')
    .replace(/:.*$/, '')
    .replace(/[. ]+$/, '')
    .toLowerCase()
  return plain === '.git' || /^git~[0-9]+$/.test(plain)
}

function hasControlCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code < 32 || code === 127) return true
  }
  return false
}
