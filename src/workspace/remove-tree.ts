/**
 * Deletes a directory nobody can be trusted to have made well: nested thousands deep, names longer
 * than a path may be, directories without any right, links in every place. Each directory is first
 * moved to a flat place beside the root, so no path ever has more than two components below it, and
 * nothing is followed.
 */
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { OpenExecError } from '../schema/index.ts'
import { type BytePath, fsPath } from './byte-path.ts'
import { closingAfter, Directory, errorCode } from './directory.ts'

/** Linux: opens only the place in the tree, so it needs no right on the directory itself. */
const O_PATH = 0o10000000
const PASSES_MAX = 100

/** Longest the system's own remover may take before ours goes on. */
const QUICK_MS = 120_000

/** Quiet when `directory` is not there; throws `workspace_failed` when something cannot be deleted. */
export async function removeTree(parentDir: string, directory: BytePath): Promise<void> {
  if (!fs.existsSync(parentDir) || isRemovedEmpty(parentDir, directory)) return
  await removeQuickly(parentDir, directory)
  const parent = Directory.open(parentDir)
  try {
    const stat = parent.lstat(directory)
    if (stat?.isDirectory() === true) await removeFlat(parent, directory)
    else if (stat !== undefined) fs.unlinkSync(parent.at(directory))
  } catch (error) {
    if (error instanceof OpenExecError) throw error
    throw new OpenExecError('workspace_failed', `Cannot remove "${parentDir}/${directory}"`, {
      hint: 'Check who owns what is left there; the next `openexec gc` tries again',
      cause: error,
    })
  } finally {
    parent.close()
  }
}

function isRemovedEmpty(parentDir: string, directory: BytePath): boolean {
  try {
    fs.rmdirSync(fsPath(parentDir, directory))
    return true
  } catch {
    // It holds something, is no directory, or is not there.
    return false
  }
}

/**
 * Lets `rm` do what is ordinary: several times faster, in a process of its own, and it follows no
 * link either. What it leaves (directories without rights, paths too deep) is for the rest of this.
 */
async function removeQuickly(parentDir: string, directory: BytePath): Promise<void> {
  // A name that is no ASCII cannot be told to another process byte for byte.
  if (!/^[\w.-]+$/.test(directory)) return
  const place = path.join(parentDir, directory)
  if (fs.lstatSync(place, { throwIfNoEntry: false })?.isDirectory() !== true) return
  await new Promise<void>((resolve) => {
    const options = { stdio: 'ignore', timeout: QUICK_MS, cwd: '/', env: {} } as const
    const child = spawn('/bin/rm', ['-rf', '--', place], options)
    child.once('error', () => resolve())
    child.once('close', () => resolve())
  })
}

async function removeFlat(parent: Directory, directory: BytePath): Promise<void> {
  const pending: BytePath[] = [directory]
  let moved = 0
  const flatten = (from: Directory, name: BytePath): void => {
    // Next to the root and derived from its name, so that a later attempt finds it.
    let flat = `${directory}.rm${moved++}`
    while (parent.lstat(flat) !== undefined) flat = `${directory}.rm${moved++}`
    openUp(from, name)
    from.rename(name, parent, flat)
    pending.push(flat)
  }
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    await emptyOne(parent, next, flatten)
    if (moved % 64 === 0) await setImmediate()
  }
}

async function emptyOne(
  parent: Directory,
  name: BytePath,
  flatten: (from: Directory, name: BytePath) => void,
): Promise<void> {
  openUp(parent, name)
  for (let pass = 0; pass < PASSES_MAX; pass++) {
    const directory = parent.child(name)
    await closingAfter([directory], async () => {
      let seen = 0
      for (const { name: below } of directory.entries()) {
        if (++seen % 1024 === 0) await setImmediate()
        const stat = directory.lstat(below)
        if (stat?.isDirectory() === true) flatten(directory, below)
        else if (stat !== undefined) fs.unlinkSync(directory.at(below))
      }
    })
    try {
      fs.rmdirSync(parent.at(name))
      return
    } catch (error) {
      // Entries that a listing leaves out while others go are met in the next pass.
      if (errorCode(error) !== 'ENOTEMPTY' && errorCode(error) !== 'EEXIST') throw error
    }
  }
  throw new OpenExecError(
    'workspace_failed',
    'Cannot remove a workspace: something still writes to it',
  )
}

/** Gives the owner every right on a directory, the directory itself and not where a link leads. */
export function openUp(parent: Directory, name: BytePath): void {
  const stat = parent.lstat(name)
  if (stat === undefined || (stat.mode & 0o700) === 0o700) return
  if (process.platform !== 'linux') {
    fs.lchmodSync?.(String(parent.at(name)), 0o700)
    return
  }
  const fd = fs.openSync(
    parent.at(name),
    O_PATH | fs.constants.O_NOFOLLOW | fs.constants.O_DIRECTORY,
  )
  try {
    fs.chmodSync(`/proc/self/fd/${fd}`, 0o700)
  } finally {
    fs.closeSync(fd)
  }
}
