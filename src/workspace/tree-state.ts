/**
 * What is known of a workspace's files since they were last looked at: content id, mode, and the
 * stats that tell an untouched file from another one. A file whose times lie too close to the look is
 * read again, because a later write could leave them as they are.
 */
import fs from 'node:fs'
import path from 'node:path'
import { type BytePath, parentsOf } from './byte-path.ts'
import { decodeIndex, type IndexEntry } from './git-index.ts'
import { BASE_INDEX } from './materialise.ts'
import { createLazyBase, type LazyBase } from './lazy-base.ts'
import { upperDir } from './overlay.ts'
import type { Slot, WorkspaceRecord } from './slot.ts'

export interface KnownFile {
  /** Octal text. */
  mode: string
  oid: string
  /** Undefined when the file has to be read to know. */
  stat: FileStamp | undefined
  /** Number of the last walk that met it. */
  seen: number
}

export interface FileStamp {
  size: number
  ino: number
  mtimeMs: number
  ctimeMs: number
}

export interface TreeState {
  /** Tree of the last snapshot. */
  tree: string
  files: Map<BytePath, KnownFile>
  /** Every directory with a known file in it. */
  directories: Set<BytePath>
  walks: number
  /** Over a seed, `files` and `directories` are those of the directories looked at so far. */
  base: LazyBase | undefined
}

/** Times younger than this, seen from the look, prove nothing; in `ms`. */
export const RACY_MS = 100

/** State of a workspace as it was made, whatever has happened to its files since. */
export function initialTreeState(slot: Slot, record: WorkspaceRecord): TreeState {
  if (record.seed !== undefined) return seededState(slot, record, record.seed)
  const bytes = fs.readFileSync(path.join(slot.index, BASE_INDEX))
  const files = new Map<BytePath, KnownFile>()
  for (const entry of decodeIndex(bytes, record.objectFormat))
    files.set(entry.path, knownFile(entry))
  const directories = directoriesOf(files.keys())
  return { tree: record.baseTree, files, directories, walks: 0, base: undefined }
}

/** The index beside the workspace is there when it differs from the seed's. */
function seededState(slot: Slot, record: WorkspaceRecord, seed: { dir: string }): TreeState {
  const own = path.join(slot.index, BASE_INDEX)
  const file = fs.existsSync(own) ? own : path.join(seed.dir, BASE_INDEX)
  const base = createLazyBase(file, { upper: upperDir(slot), format: record.objectFormat })
  return { tree: record.baseTree, files: new Map(), directories: new Set(), walks: 0, base }
}

export function knownFile(entry: IndexEntry): KnownFile {
  return {
    mode: entry.mode.toString(8).padStart(6, '0'),
    oid: entry.oid,
    stat: {
      size: entry.size,
      ino: entry.ino,
      mtimeMs: entry.mtimeS * 1000 + entry.mtimeNs / 1e6,
      ctimeMs: entry.ctimeS * 1000 + entry.ctimeNs / 1e6,
    },
    seen: 0,
  }
}

export function stampOf(stat: fs.Stats): FileStamp {
  return { size: stat.size, ino: stat.ino, mtimeMs: stat.mtimeMs, ctimeMs: stat.ctimeMs }
}

/** Whether a file still is what it was; sizes and inodes may have been cut to 32 bits. */
export function isUntouched(known: FileStamp | undefined, now: FileStamp): boolean {
  return (
    known !== undefined &&
    known.size >>> 0 === now.size >>> 0 &&
    known.ino >>> 0 === now.ino >>> 0 &&
    near(known.mtimeMs, now.mtimeMs) &&
    near(known.ctimeMs, now.ctimeMs)
  )
}

export function directoriesOf(paths: Iterable<BytePath>): Set<BytePath> {
  const directories = new Set<BytePath>()
  for (const file of paths) {
    for (const parent of parentsOf(file)) {
      if (directories.has(parent)) break
      directories.add(parent)
    }
  }
  return directories
}

/** Equal up to what a double and an index keep of a nanosecond time. */
function near(a: number, b: number): boolean {
  return Math.abs(a - b) < 0.001
}
