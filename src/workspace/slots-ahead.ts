import fs from 'node:fs'
import path from 'node:path'
import { entriesOf, type SeedOptions } from './choose-seed.ts'
import { canRead } from './inside-history.ts'
import { premakeSlot } from './make-slot.ts'
import { mayMount } from './mount-table.ts'
import { workspaceMounts } from './mounts.ts'
import { slotAt } from './slot.ts'
import type { Workspaces } from './workspaces.ts'

/** What can be done before there is a run. */
export const aheadOf = (
  seeds: SeedOptions | undefined,
): Pick<Workspaces, 'premake' | 'premadeMounts' | 'layoutFor' | 'sharesFiles'> => ({
  premake: (slotDir, owner) => premakeSlot(realSlot(slotDir), owner),
  layoutFor: (uid, objectDirs) => ({
    history: canRead(uid, objectDirs) ? 'full' : 'head',
    objectDirs,
  }),
  premadeMounts: (slotDir, layout, access) => workspaceMounts(slotAt(slotDir), layout, access),
  sharesFiles: ([own]) =>
    seeds !== undefined &&
    own !== undefined &&
    mayMount() &&
    entriesOf(path.dirname(own)) >= seeds.entriesMin,
})

/** The slot itself need not exist; what it lies in must. */
export function realSlot(slotDir: string): string {
  const parent = path.dirname(path.resolve(slotDir))
  return path.join(fs.existsSync(parent) ? fs.realpathSync(parent) : parent, path.basename(slotDir))
}
