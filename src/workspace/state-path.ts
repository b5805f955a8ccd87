/**
 * Names at the root of a checkout that belong to OpenExec: what lies there is trusted, so no commit
 * and no change of a run may bring anything into it. In every spelling some file system takes for one.
 */
import path from 'node:path'
import { type BytePath, fromBytes, toBytes } from './byte-path.ts'

const HFS_IGNORED = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g
const OURS = /^\.openexec(?:-apply)?[. ]*(?:$|:)/

/** Whether a path of the repository is the default state directory, a staging place, or inside. */
export function isStatePath(name: BytePath): boolean {
  if (!/^[.\x80-\xff]/.test(name)) return false
  const first = toBytes(name.split(/[/\\]/, 1)[0] ?? '').toString('utf8')
  return OURS.test(first.replaceAll(HFS_IGNORED, '').toLowerCase())
}

/** Whether a path of the checkout at `root` lies where this state directory is. */
export function liesIn(stateDir: string, root: string, name: BytePath): boolean {
  const below = path.relative(root, stateDir)
  if (below === '' || below.startsWith('..') || path.isAbsolute(below)) return false
  const [ours, theirs] = [fromBytes(Buffer.from(below)).toLowerCase(), name.toLowerCase()]
  return theirs === ours || theirs.startsWith(`${ours}/`) || ours.startsWith(`${theirs}/`)
}
