/**
 * The directory that holds all state. It usually lies in a repository, whose content anybody may have
 * written: a commit that holds the directory could bring runs, approvals and git configuration of its
 * own, so it is refused before a byte of it is read or written.
 */
import fs from 'node:fs'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import { OpenExecError } from '../schema/index.ts'
import { indexHolds } from './git-index-paths.ts'

/**
 * Makes the directory, 0700, with a `.gitignore` that keeps it out of the repository, and gives back
 * its real path. Throws `repository_unsafe` when git tracks it, `state_unusable` for all else.
 */
export function prepareStateRoot(directory: string): string {
  try {
    refuseTracked(directory)
    if (!makeDirectory(directory)) checkMode(directory)
    // Never through a link, and never over what is there.
    writeOnce(join(directory, '.gitignore'), '*\n')
    return fs.realpathSync(directory)
  } catch (cause) {
    if (cause instanceof OpenExecError) throw cause
    throw new OpenExecError(
      'state_unusable',
      `Cannot write state directory "${directory}": ${whyNot(cause)}`,
      {
        hint: 'Name another one with --state DIR, or check its permissions and the free space',
        cause,
      },
    )
  }
}

/**
 * Whether it had to be made, with what it lies in. One by one, because Node's own recursive form
 * never ends where a file system (such as /proc) has no place for new directories.
 */
function makeDirectory(directory: string): boolean {
  const missing: string[] = []
  for (let at = directory; !fs.existsSync(at); at = dirname(at)) missing.push(at)
  for (const each of missing.reverse()) {
    try {
      fs.mkdirSync(each, { mode: 0o700 })
    } catch (error) {
      // Another process makes the same one.
      if (!(codeOf(error) === 'EEXIST' && fs.existsSync(each))) throw error
    }
  }
  return missing.length > 0
}

const WORDS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  ENOTDIR: 'a part of the path is no directory',
  EEXIST: 'there is something else',
  ENOENT: 'no directory can be made there',
}

function whyNot(error: unknown): string {
  const code = codeOf(error)
  return WORDS[code] ?? code
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
}

/** The directory itself may be a link that a commit brought, so only what it lies in is resolved. */
function refuseTracked(directory: string): void {
  const { real, rest } = realAncestor(dirname(resolve(directory)))
  const path = join(real, rest, basename(resolve(directory)))
  for (let root = dirname(path); ; root = dirname(root)) {
    const dotGit = join(root, '.git')
    if (fs.lstatSync(dotGit, { throwIfNoEntry: false }) !== undefined) {
      const inside = relative(root, path).split(sep).join('/')
      if (!indexHolds(dotGit, inside)) return
      throw new OpenExecError(
        'repository_unsafe',
        `Cannot use repository "${root}": it tracks "${inside}", which belongs to OpenExec`,
        { hint: 'Name a state directory outside of the repository with --state DIR' },
      )
    }
    if (root === dirname(root)) return
  }
}

/** The nearest directory upwards that exists, and what is missing below it. */
function realAncestor(directory: string): { real: string; rest: string } {
  for (let at = directory; ; at = dirname(at)) {
    if (fs.existsSync(at)) return { real: fs.realpathSync(at), rest: relative(at, directory) }
    if (at === dirname(at)) return { real: at, rest: relative(at, directory) }
  }
}

const OTHERS_WRITE = 0o002

function checkMode(directory: string): void {
  const place = fs.statSync(directory)
  if (!place.isDirectory())
    throw new OpenExecError(
      'state_unusable',
      `Cannot use state directory "${directory}": it is no directory`,
      { hint: 'Name another one with --state DIR' },
    )
  if ((place.mode & OTHERS_WRITE) === 0) return
  throw new OpenExecError(
    'state_unusable',
    `Cannot use state directory "${directory}": everybody may write in it`,
    { hint: `Run \`chmod o-w ${directory}\`, or name another one with --state DIR` },
  )
}

function writeOnce(file: string, content: string): void {
  try {
    fs.writeFileSync(file, content, { flag: 'wx', mode: 0o644 })
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  }
}
