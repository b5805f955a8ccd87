import type { GitProgram } from './git-process.ts'
import { BASE_TREE_LIMITS } from './base-tree.ts'
import type { SeedOptions } from './choose-seed.ts'
import { placeWorkspace } from './create-workspace.ts'
import { realSlot } from './slots-ahead.ts'
import { workspaceOver } from './workspace.ts'
import type { Workspaces } from './workspaces.ts'

export function placing(
  program: GitProgram,
  { seeds: wanted, stateDir, now }: { seeds?: SeedOptions; stateDir: string; now(): number },
): Workspaces['place'] {
  const seeds = wanted && { ...wanted, stateDir }
  return async ({ signal, ...request }) => {
    const slotDir = realSlot(request.slotDir)
    const full = { ...request, slotDir, seeds, limits: BASE_TREE_LIMITS, nowMs: now() }
    const placed = await placeWorkspace({ program, signal }, full)
    return workspaceOver(program, { ...placed, now })
  }
}
