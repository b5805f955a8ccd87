/**
 * Decides whether a change fits the user's checkout: each path it touches must hold exactly what the
 * base has there (or already what the change wants), with nothing else in the way. Files are read,
 * nothing is written.
 */
import type fs from 'node:fs'
import type { BytePath } from './byte-path.ts'
import { parentsOf } from './byte-path.ts'
import {
  blobHash,
  blobId,
  type ObjectFormat,
  openRegular,
  readPieces,
  readWhole,
} from './content.ts'
import { type Directory, errorCode } from './directory.ts'
import { unsafePath } from './dot-git.ts'
import { toUnixLines } from './line-endings.ts'
import { atPath } from './parents.ts'
import type { RawChange } from './raw-changes.ts'
import { type FileStamp, stampOf } from './tree-state.ts'

type ConflictReason =
  /** The file is not what the base has. */
  | 'changed'
  /** Something, tracked or not, is where a file has to be added. */
  | 'exists'
  /** The file is not there, or not checked out. */
  | 'missing'
  /** A component above is a symbolic link or a file. */
  | 'not_a_directory'
  | 'submodule'
  | 'unreadable'
  | 'unsafe_path'

export interface Conflict {
  path: BytePath
  reason: ConflictReason
}

export interface ApplyStep {
  path: BytePath
  /** What is moved away first; undefined where nothing is. */
  old: (FileStamp & { uid: number; gid: number }) | undefined
  write: { mode: string; oid: string; dosLines: boolean } | undefined
}

export interface ApplyPlan {
  steps: ApplyStep[]
  conflicts: Conflict[]
  /** Directories that are not there yet. */
  makes: BytePath[]
}

const WHOLE_BYTES = 8 * 1024 * 1024
const ENTRIES_LOOKED_AT_MAX = 10_000

interface Look {
  root: Directory
  format: ObjectFormat
  /** Whether the execute bit of the checkout means something. */
  fileMode: boolean
  /** Whether a path belongs to OpenExec itself. */
  isOurs(path: BytePath): boolean
  deleted: ReadonlySet<BytePath>
}

export async function planApply(
  changes: readonly RawChange[],
  options: {
    root: Directory
    format: ObjectFormat
    fileMode: boolean
    isOurs(path: BytePath): boolean
    pause(): Promise<void> | undefined
  },
): Promise<ApplyPlan> {
  const gone = changes.filter((change) => change.status === 'deleted')
  const look: Look = { ...options, deleted: new Set(gone.map((change) => change.path)) }
  const plan: ApplyPlan = { steps: [], conflicts: [], makes: [] }
  const makes = new Set<BytePath>()
  for (const change of changes) {
    await options.pause()
    const found = planOne(look, change)
    if (typeof found === 'string') plan.conflicts.push({ path: change.path, reason: found })
    else if (found !== undefined) plan.steps.push(found)
    if (change.status !== 'deleted') {
      for (const parent of parentsOf(change.path)) {
        if (stat(look.root, parent) === undefined) makes.add(parent)
      }
    }
  }
  // Parents before what lies in them.
  plan.makes = [...makes].toSorted((a, b) => a.length - b.length)
  return plan
}

/** Undefined when the checkout already holds what the change wants. */
function planOne(look: Look, change: RawChange): ApplyStep | ConflictReason | undefined {
  const { path, oldMode, newMode } = change
  if (unsafePath(path) !== undefined || look.isOurs(path)) return 'unsafe_path'
  if (oldMode === '160000' || newMode === '160000') return 'submodule'
  for (const parent of parentsOf(path)) {
    const above = stat(look.root, parent)
    if (above === undefined || above.isDirectory() || look.deleted.has(parent)) continue
    return 'not_a_directory'
  }
  const now = stat(look.root, path)
  return change.status === 'deleted'
    ? planDeletion(look, change, now)
    : planWriting(look, change, now)
}

function planDeletion(
  look: Look,
  change: RawChange,
  now: fs.Stats | undefined,
): ApplyStep | ConflictReason | undefined {
  if (now === undefined) return undefined
  const state = compare(look, change, now)
  if (state !== 'base' && state !== 'base_dos') return keep(state)
  return { path: change.path, old: oldOf(now), write: undefined }
}

function planWriting(
  look: Look,
  change: RawChange,
  now: fs.Stats | undefined,
): ApplyStep | ConflictReason | undefined {
  const { path, status } = change
  const write = { mode: change.newMode, oid: change.newOid, dosLines: false }
  const added: ApplyStep = { path, old: undefined, write }
  if (now === undefined) return status === 'added' ? added : 'missing'
  if (status === 'added' && now.isDirectory() && clears(look, path)) return added
  const state = compare(look, change, now)
  if (state === 'wanted') return undefined
  if (status === 'added') return 'exists'
  if (state !== 'base' && state !== 'base_dos') return keep(state)
  return { path, old: oldOf(now), write: { ...write, dosLines: state === 'base_dos' } }
}

type State = 'base' | 'base_dos' | 'wanted' | 'other' | 'unreadable'

function keep(state: State): ConflictReason {
  return state === 'unreadable' ? 'unreadable' : 'changed'
}

function oldOf(now: fs.Stats): ApplyStep['old'] {
  return { ...stampOf(now), uid: now.uid, gid: now.gid }
}

function compare(look: Look, change: RawChange, now: fs.Stats): State {
  const content = contentOf(look, change.path, now)
  if (content === undefined) return 'other'
  if (content === 'unreadable') return 'unreadable'
  const sameMode = (mode: string): boolean =>
    mode === content.mode ||
    (!look.fileMode && mode.startsWith('100') && content.mode.startsWith('100'))
  if (content.oid === change.newOid && sameMode(change.newMode)) return 'wanted'
  if (!sameMode(change.oldMode)) return 'other'
  if (content.oid === change.oldOid) return 'base'
  return content.unixOid === change.oldOid ? 'base_dos' : 'other'
}

interface Content {
  mode: string
  oid: string
  /** Id of the same text with LF; undefined when that is no different. */
  unixOid: string | undefined
}

function contentOf(look: Look, path: BytePath, now: fs.Stats): Content | 'unreadable' | undefined {
  try {
    return atPath(look.root, path, (parent, name) => {
      if (now.isSymbolicLink()) {
        const oid = blobId(look.format, parent.readLink(name))
        return { mode: '120000', oid, unixOid: undefined }
      }
      const file = now.isFile() ? openRegular(parent, name) : undefined
      if (file === undefined) return undefined
      try {
        const mode = (now.mode & 0o100) === 0 ? '100644' : '100755'
        return { mode, ...idsOf(look.format, file) }
      } finally {
        file.close()
      }
    })
  } catch (error) {
    if (errorCode(error) === 'EACCES' || errorCode(error) === 'EPERM') return 'unreadable'
    throw error
  }
}

function idsOf(
  format: ObjectFormat,
  file: NonNullable<ReturnType<typeof openRegular>>,
): { oid: string; unixOid: string | undefined } {
  if (file.size <= WHOLE_BYTES) {
    const content = readWhole(file) ?? Buffer.alloc(0)
    const unix = toUnixLines(content)
    const unixOid = unix === undefined ? undefined : blobId(format, unix)
    return { oid: blobId(format, content), unixOid }
  }
  const hash = blobHash(format, file.size)
  for (const piece of readPieces(file)) hash.update(piece)
  return { oid: hash.digest('hex'), unixOid: undefined }
}

/** Whether nothing stays in a directory once the deleted files are gone. */
function clears(look: Look, path: BytePath): boolean {
  const pending = [path]
  let looked = 0
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const directory: BytePath = next
    const clear = atPath(look.root, `${directory}/.`, (inside) => {
      for (const { name } of inside.entries()) {
        const below = `${directory}/${name}`
        if (++looked > ENTRIES_LOOKED_AT_MAX) return false
        if (inside.lstat(name)?.isDirectory() === true) pending.push(below)
        else if (!look.deleted.has(below)) return false
      }
      return true
    })
    if (clear !== true) return false
  }
  return true
}

function stat(root: Directory, path: BytePath): fs.Stats | undefined {
  return atPath(root, path, (parent, name) => parent.lstat(name))
}
