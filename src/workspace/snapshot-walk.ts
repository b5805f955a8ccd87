/**
 * One look at the whole workspace: which known files are gone, which paths hold something else than
 * before, and what has no place in a tree. Content that is new goes to the object store on the way.
 */
import fs from 'node:fs'
import type { BytePath } from './byte-path.ts'
import { closing } from './directory.ts'
import { isDotGit, isDotGitmodules } from './dot-git.ts'
import type { IgnoreRules } from './ignore-rules.ts'
import { GIT_FILE } from './private-gitdir.ts'
import { Refusals } from './refusals.ts'
import type { ContentTaker, Taken } from './snapshot-content.ts'
import type { IndexEntry } from './git-index.ts'
import type { LazyBase } from './lazy-base.ts'
import { isStatePath } from './state-path.ts'
import {
  directoriesOf,
  isUntouched,
  knownFile,
  type KnownFile,
  RACY_MS,
  stampOf,
  type TreeState,
} from './tree-state.ts'
import { walk, type WalkEntry, type WalkLimits, type WalkVisitor } from './walk.ts'

export interface SnapshotLook {
  root: string
  state: TreeState
  rules: IgnoreRules
  /** Base paths the sandbox must not have, and the directories they lie in. */
  hidden: { paths: ReadonlySet<BytePath>; directories: ReadonlySet<BytePath> }
  taker: ContentTaker
  limits: WalkLimits
  /** Epoch `ms` of the start. */
  nowMs: number
  signal: AbortSignal
}

export interface SeenTree {
  /** Paths whose content or mode is another than in the last tree. */
  updates: Map<BytePath, KnownFile>
  /** Known paths that are gone. */
  gone: BytePath[]
  refusals: Refusals
  entries: number
}

/** Changes `look.state` only in what it remembers of untouched files. */
export async function lookAtTree(look: SnapshotLook): Promise<SeenTree> {
  const round = ++look.state.walks
  const seen: SeenTree = { updates: new Map(), gone: [], refusals: new Refusals(), entries: 0 }
  const entered = new Set<BytePath>()
  const visitor: WalkVisitor = {
    ...(look.state.base && { begin: beginLayer(look.state, look.state.base, { entered, round }) }),
    enter(entry) {
      entered.add(entry.path)
      return enter(look, seen, { entry, round })
    },
    visit: (entry) => visit(look, seen, { entry, round }),
    obstacle(path, why) {
      // What went away before it could be looked at is gone, unless it hid known files.
      if (why !== 'changed' || look.state.directories.has(path)) seen.refusals.refuse(path, why)
    },
  }
  seen.entries = (await walk(look.root, visitor, look)).entries
  for (const [path, known] of look.state.files) {
    if (known.seen !== round && !seen.refusals.covers(path)) seen.gone.push(path)
  }
  return seen
}

/**
 * Over a seed, only what the upper layer has a name for can be another than it was, and only its
 * directories are gone into. A known directory that is not met, or is none any more, takes all below
 * it along.
 */
function beginLayer(
  state: TreeState,
  base: LazyBase,
  { entered, round }: { entered: ReadonlySet<BytePath>; round: number },
): NonNullable<WalkVisitor['begin']> {
  const know = (files: readonly IndexEntry[]): void => {
    for (const entry of files) state.files.set(entry.path, knownFile(entry))
    for (const directory of directoriesOf(files.map(({ path }) => path)))
      state.directories.add(directory)
  }
  return (_, path) => {
    const touched = base.touched(path)
    const { files, directories } = base.load(path)
    know(files)
    for (const directory of directories) state.directories.add(directory)
    const there = new Set<BytePath>()
    const at = path === '' ? '' : `${path}/`
    return {
      wants(name) {
        if (touched.has(name)) return true
        const known = state.files.get(at + name)
        if (known !== undefined) known.seen = round
        else if (state.directories.has(at + name)) there.add(at + name)
        // Neither: it came since the layer was listed.
        else return true
        return false
      },
      end() {
        for (const directory of directories)
          if (!there.has(directory) && !entered.has(directory)) know(base.loadBelow(directory))
      },
    }
  }
}

interface Visit {
  entry: WalkEntry
  round: number
}

function enter(look: SnapshotLook, seen: SeenTree, { entry, round }: Visit): boolean {
  const { path, name, parent, stat } = entry
  const { state, rules, hidden } = look
  if (isDotGit(name)) {
    seen.refusals.refuse(path, 'git_directory')
    return false
  }
  if (isStatePath(path)) {
    seen.refusals.refuse(path, 'state_directory')
    return false
  }
  if (hidden.paths.has(path)) {
    seen.refusals.refuse(path, 'hidden_path')
    return false
  }
  const known = state.files.get(path)
  if (known?.mode === '160000') {
    known.seen = round
    // Empty as it was made; what else is in it belongs to another repository.
    if (!isEmpty(parent, name)) seen.refusals.note(path, 'submodule_content')
    return false
  }
  if ((stat.mode & 0o6000) !== 0) seen.refusals.note(path, 'set_id')
  return state.directories.has(path) || !rules.ignores(path, 'directory')
}

function visit(look: SnapshotLook, seen: SeenTree, { entry, round }: Visit): void | Promise<void> {
  const { path, name, parent, stat } = entry
  const { state, rules, hidden, taker } = look
  if (isDotGit(name)) {
    if (path !== '.git' || !isOurGitFile(entry)) seen.refusals.refuse(path, 'git_directory')
    return undefined
  }
  if (isStatePath(path)) {
    seen.refusals.refuse(path, 'state_directory')
    return undefined
  }
  if (hidden.paths.has(path) || hidden.directories.has(path)) {
    seen.refusals.refuse(path, 'hidden_path')
    return undefined
  }
  const known = state.files.get(path)
  if (known === undefined && rules.ignores(path, 'file')) return undefined
  const kind = kindOf(entry)
  if ('refused' in kind) {
    seen.refusals.refuse(path, kind.refused)
    return undefined
  }
  if ((stat.mode & 0o6000) !== 0 && kind.mode !== '120000') seen.refusals.note(path, 'set_id')
  const stamp = stampOf(stat)
  if (known !== undefined && known.mode === kind.mode && isUntouched(known.stat, stamp)) {
    known.seen = round
    return undefined
  }
  const accept = (taken: Taken): void => {
    if ('refused' in taken) return seen.refusals.refuse(path, taken.refused)
    // A time this close to the look may be shared by a later write.
    const trusted = stat.ctimeMs < look.nowMs - RACY_MS ? stamp : undefined
    const file: KnownFile = { mode: kind.mode, oid: taken.oid, stat: trusted, seen: round }
    if (known !== undefined) known.seen = round
    if (known?.oid === file.oid && known.mode === file.mode) known.stat = trusted
    else seen.updates.set(path, file)
  }
  const taken = kind.mode === '120000' ? takeLink(entry, taker) : taker.take(parent, name)
  return taken instanceof Promise ? taken.then(accept) : accept(taken)
}

type Kind =
  | { mode: '100644' | '100755' | '120000' }
  | { refused: 'gitmodules_link' | 'fifo' | 'socket' | 'device' }

function kindOf({ name, stat }: WalkEntry): Kind {
  if (stat.isFile()) return { mode: (stat.mode & 0o100) === 0 ? '100644' : '100755' }
  if (stat.isSymbolicLink()) {
    return isDotGitmodules(name) ? { refused: 'gitmodules_link' } : { mode: '120000' }
  }
  if (stat.isFIFO()) return { refused: 'fifo' }
  return { refused: stat.isSocket() ? 'socket' : 'device' }
}

function takeLink({ parent, name }: WalkEntry, taker: ContentTaker): Promise<Taken> | Taken {
  try {
    return taker.takeBytes(parent.readLink(name))
  } catch {
    // It is no link any more.
    return { refused: 'unstable' }
  }
}

function isEmpty(parent: WalkEntry['parent'], name: BytePath): boolean {
  try {
    const directory = parent.child(name)
    return closing([directory], () => {
      // Leaving the loop closes the listing, which a bare `next()` does not.
      for (const _ of directory.entries()) return false
      return true
    })
  } catch {
    return false
  }
}

function isOurGitFile({ parent, name, stat }: WalkEntry): boolean {
  if (!stat.isFile() || stat.size !== GIT_FILE.length) return false
  let fd: number | undefined
  try {
    fd = parent.openFile(name)
    const buffer = Buffer.alloc(GIT_FILE.length)
    fs.readSync(fd, buffer, 0, buffer.length, 0)
    return buffer.toString('latin1') === GIT_FILE
  } catch {
    return false
  } finally {
    if (fd !== undefined) fs.closeSync(fd)
  }
}
