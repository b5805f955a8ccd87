import fs from 'node:fs'
import path from 'node:path'
import { canRead } from './inside-history.ts'
import { premakeSlot } from './make-slot.ts'
import { workspaceMounts } from './mounts.ts'
import { slotAt } from './slot.ts'
import type { Workspaces } from './workspaces.ts'

/** What can be done before there is a run. */
export const AHEAD: Pick<Workspaces, 'premake' | 'premadeMounts' | 'layoutFor'> = {
  premake: (slotDir, owner) => premakeSlot(realSlot(slotDir), owner),
  layoutFor: (uid, objectDirs) => ({
    history: canRead(uid, objectDirs) ? 'full' : 'head',
    objectDirs,
  }),
  premadeMounts: (slotDir, layout, access) => workspaceMounts(slotAt(slotDir), layout, access),
}

/** The slot itself need not exist; what it lies in must. */
export function realSlot(slotDir: string): string {
  const parent = path.dirname(path.resolve(slotDir))
  return path.join(fs.existsSync(parent) ? fs.realpathSync(parent) : parent, path.basename(slotDir))
}
