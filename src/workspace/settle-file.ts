/** One file of a fresh workspace: whose it is, how old it looks, and how its index entry reads. */
import fs from 'node:fs'
import { fsPath } from './byte-path.ts'
import type { IndexEntry } from './git-index.ts'
import type { TreeEntry } from './records.ts'
import type { Slot } from './slot.ts'

export interface Ownership {
  uid: number
  gid: number
}

export function settleOne(
  slot: Slot,
  entry: TreeEntry,
  options: { owner: Ownership; chown: boolean; mtimeS: number },
): IndexEntry {
  const file = fsPath(slot.tree, entry.path)
  if (options.chown) fs.lchownSync(file, options.owner.uid, options.owner.gid)
  fs.lutimesSync(file, options.mtimeS, options.mtimeS)
  const stat = fs.lstatSync(file)
  return {
    path: entry.path,
    mode: Number.parseInt(entry.mode, 8),
    oid: entry.oid,
    ctimeS: Math.floor(stat.ctimeMs / 1000),
    ctimeNs: Math.round((stat.ctimeMs % 1000) * 1e6),
    mtimeS: options.mtimeS,
    mtimeNs: 0,
    dev: stat.dev,
    ino: stat.ino,
    uid: stat.uid,
    gid: stat.gid,
    size: stat.size,
  }
}
