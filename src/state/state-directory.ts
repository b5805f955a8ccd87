/**
 * Tells a state directory that OpenExec made from one that came with a repository. What lies in it is
 * trusted: runs and approvals, triggers of the database, configuration of object stores, a directory
 * that is swept. So the first thing made in it is a mark that a checkout cannot bring, because git
 * gives every file it writes to its owner for writing and this one is made read-only. The mark holds
 * a secret that the database repeats, so that a database put in place of ours is told from it.
 */
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { OpenExecError } from '../schema/index.ts'

const MARK = 'openexec-state'
const MARK_BYTES_MAX = 256
/** Names below a state directory whose content is trusted. */
const DIRECTORIES = ['blobs', 'git', 'runs', 'work']
const FILES = ['openexec.db', 'openexec.db-wal', 'openexec.db-shm', 'openexec.db-journal']
const ANYBODY_WRITES = 0o222
const OTHERS = 0o077

/**
 * The secret of the directory, whose mark is made when nothing is there yet and `create` says so.
 * Throws `state_unusable` for a directory that was not made here, or whose parts are links.
 */
export function claimStateDirectory(
  directory: string,
  { create }: { create: boolean },
): string | undefined {
  const known = readMark(directory)
  if (known !== undefined) {
    checkParts(directory)
    return known
  }
  if ([...DIRECTORIES, ...FILES].some((name) => lstat(directory, name) !== undefined)) {
    // Another process may have begun between the two looks; it makes the mark before anything else.
    const late = readMark(directory)
    if (late === undefined) throw foreign(directory)
    return late
  }
  return create ? (makeMark(directory) ?? readMark(directory)) : undefined
}

function readMark(directory: string): string | undefined {
  const stat = lstat(directory, MARK)
  if (stat === undefined) return undefined
  const ours = stat.isFile() && stat.size <= MARK_BYTES_MAX && (stat.mode & ANYBODY_WRITES) === 0
  if (!ours) throw foreign(directory)
  return fs.readFileSync(path.join(directory, MARK), 'utf8').trim()
}

/** `undefined` when another process was first. */
function makeMark(directory: string): string | undefined {
  const secret = randomBytes(16).toString('hex')
  const draft = path.join(directory, `${MARK}.${process.pid}.${secret.slice(0, 8)}`)
  fs.writeFileSync(draft, `${secret}\n`, { flag: 'wx', mode: 0o400 })
  try {
    // A link appears whole or not at all, and never replaces what is there.
    fs.linkSync(draft, path.join(directory, MARK))
    return secret
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return undefined
    throw error
  } finally {
    fs.rmSync(draft, { force: true })
  }
}

/** A later commit can still put links and files in here: git overwrites what is ignored. */
function checkParts(directory: string): void {
  for (const name of DIRECTORIES) {
    const stat = lstat(directory, name)
    if (stat !== undefined && !stat.isDirectory()) throw replaced(directory, name)
  }
  for (const name of FILES.slice(1)) {
    const stat = lstat(directory, name)
    if (stat !== undefined && (!stat.isFile() || (stat.mode & OTHERS) !== 0))
      throw replaced(directory, name)
  }
}

function lstat(directory: string, name: string): fs.Stats | undefined {
  return fs.lstatSync(path.join(directory, name), { throwIfNoEntry: false })
}

function foreign(directory: string): OpenExecError {
  return new OpenExecError(
    'state_unusable',
    `Cannot use state directory "${directory}": OpenExec did not make it`,
    {
      hint: 'A repository can bring such a directory to take over the program. Remove it if you do not know it, or name another one with --state DIR',
    },
  )
}

function replaced(directory: string, name: string): OpenExecError {
  return new OpenExecError(
    'state_unusable',
    `Cannot use state directory "${directory}": "${name}" was put there by something else`,
    { hint: 'Remove it if you do not know it, or name another state directory with --state DIR' },
  )
}
