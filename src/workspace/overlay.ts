/**
 * The tree of a workspace as a layer over a seed: an overlay that the host mounts on `tree/` before
 * any sandbox does. What a run writes lands in `upper/`, which nobody but the kernel writes to and
 * from which the host only takes names: contents, owners and what is deleted are read through the
 * mount, so that no mark of a layer (whiteouts, opaque directories) is ever interpreted here.
 */
import fs from 'node:fs'
import path from 'node:path'
import { OpenExecError } from '../schema/index.ts'
import { runProgram } from './mount-table.ts'
import type { Ownership } from './settle-file.ts'
import type { Slot } from './slot.ts'

/**
 * Nothing that lets a layer speak of paths elsewhere: no redirects, no metadata without content, no
 * index of links. Nothing a workspace holds outlives its run, so the layer is not flushed to disk.
 */
const OPTIONS = 'redirect_dir=off,metacopy=off,index=off,volatile,nosuid,nodev'

export function upperDir(slot: Pick<Slot, 'dir'>): string {
  return path.join(slot.dir, 'upper')
}

/** Why a seed at `lower` cannot be mounted, whatever the kernel can do; `undefined` when it can. */
export function unmountable(slotDir: string, lower: string): string | undefined {
  // In the options of a mount, commas, colons and backslashes mean something.
  const plain = /^[A-Za-z0-9._/@+-]+$/.test(path.relative(slotDir, lower))
  return plain ? undefined : 'the path of the state directory cannot be told to the kernel'
}

/**
 * Throws `workspace_failed` where the mount is gone, as after a restart of the machine: the empty
 * directory below it would read as if everything had been deleted.
 */
export function requireMounted({ dir, tree }: Pick<Slot, 'dir' | 'tree'>): void {
  const [inside, outside] = [tree, dir].map((at) => fs.statSync(at, { throwIfNoEntry: false }))
  if (inside !== undefined && inside.dev !== outside?.dev) return
  throw new OpenExecError('workspace_failed', `Cannot read workspace "${dir}": it is not mounted`, {
    hint: 'Run it again; `openexec gc` removes what is left',
  })
}

/** Throws `workspace_failed`; nothing is mounted then. */
export async function mountOverlay(slot: Slot, lower: string, owner: Ownership): Promise<void> {
  const upper = upperDir(slot)
  fs.mkdirSync(upper, { mode: 0o755 })
  // It is what the root of the workspace looks like.
  fs.lchownSync(upper, owner.uid, owner.gid)
  fs.mkdirSync(path.join(slot.dir, 'overlay'), { mode: 0o700 })
  const layers = `lowerdir=${path.relative(slot.dir, lower)},upperdir=upper,workdir=overlay`
  const words = ['-t', 'overlay', '-o', `${layers},${OPTIONS}`, 'overlay', slot.tree]
  const refused = await runProgram('/bin/mount', words, slot.dir)
  if (refused === undefined) return
  throw new OpenExecError('workspace_failed', `Cannot mount "${slot.tree}": ${refused}`)
}
