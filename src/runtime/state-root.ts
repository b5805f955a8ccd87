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
  refuseTracked(directory)
  try {
    const made = fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
    if (made === undefined) checkMode(directory)
    // Never through a link, and never over what is there.
    writeOnce(join(directory, '.gitignore'), '*\n')
    return fs.realpathSync(directory)
  } catch (cause) {
    if (cause instanceof OpenExecError) throw cause
    throw new OpenExecError('state_unusable', `Cannot write state directory "${directory}"`, {
      hint: 'Check its permissions and the free space, or name another one with --state DIR',
      cause,
    })
  }
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
  const { mode } = fs.statSync(directory)
  if ((mode & OTHERS_WRITE) === 0) return
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
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return
    throw error
  }
}
