import { join } from 'node:path'
import { userFor } from './runtime/index.ts'
import type { NewId } from './schema/index.ts'
import type { Workspaces } from './workspace/index.ts'

/** A slot that waits has a user of its own, as every run has. */
export function poolOf(
  marks: { low: number; high: number },
  { root, workspaces, newId }: { root: string; workspaces: Workspaces; newId: NewId },
) {
  return {
    ...marks,
    newId,
    directory: join(root, 'pool'),
    makeSlot(slotDir: string) {
      const user = userFor(slotDir)
      workspaces.premake(slotDir, user)
      return user
    },
  }
}
