/** Tries to lay a directory over another one, and asks whether others see it too. */
import fs from 'node:fs'
import path from 'node:path'
import { OpenExecError } from '../schema/index.ts'
import { mayMount, unmountBelow } from './mount-table.ts'
import { mountOverlay, upperDir } from './overlay.ts'
import { removeTree } from './remove-tree.ts'
import { makeSlot, slotAt } from './slot.ts'

export interface OverlayVerdict {
  has: 'yes' | 'no' | 'unknown'
  evidence: string
}

/** `folder` must not exist, and is gone afterwards; `sees` is asked with a mounted directory. */
export async function probeOverlay(
  folder: string,
  sees: (directory: string) => Promise<OverlayVerdict>,
): Promise<OverlayVerdict> {
  if (!mayMount())
    return { has: 'no', evidence: `user ${process.getuid?.() ?? 'unknown'} may not mount here` }
  const slot = slotAt(path.join(folder, 'slot'))
  const lower = path.join(folder, 'lower')
  try {
    fs.mkdirSync(lower, { recursive: true, mode: 0o700 })
    fs.writeFileSync(path.join(lower, 'marker'), '')
    makeSlot(slot)
    await mountOverlay(slot, lower, { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 })
    fs.writeFileSync(path.join(slot.tree, 'written'), '')
    const isLayer = fs.existsSync(path.join(upperDir(slot), 'written'))
    if (!isLayer || fs.existsSync(path.join(lower, 'written')))
      return { has: 'no', evidence: 'a file written to an overlay did not land in its upper layer' }
    return await sees(slot.tree)
  } catch (error) {
    if (!(error instanceof OpenExecError) || error.code !== 'workspace_failed') throw error
    return { has: 'no', evidence: error.message }
  } finally {
    await unmountBelow(folder)
    await removeTree(path.dirname(folder), path.basename(folder))
  }
}
