/**
 * Asks the pool for a sandbox that waits for a run like this one. Which confinement the run needs
 * first is a guess from its plan: a wrong one costs a start, and what was claimed is removed.
 */
import fs from 'node:fs'
import { compileConfinement, confinementDigest, stageMode } from '../policy/index.ts'
import type { Sandboxes, WarmSandbox } from '../sandbox/index.ts'
import type { SlotLayout, Workspaces } from '../workspace/index.ts'
import type { FrozenRun } from './frozen-run.ts'

export interface ClaimedSandbox {
  /** Digest of its confinement. */
  digest: string
  sandbox: WarmSandbox['sandbox']
}

interface WarmClaim {
  /** Moves the claimed slot to the run's place; says whom it belongs to. */
  claim(layout: SlotLayout): Promise<{ uid: number; gid: number } | undefined>
  /** Known once `claim()` has settled. */
  readonly claimed: ClaimedSandbox | undefined
}

export function createWarmClaim(
  { sandboxes, workspaces }: { sandboxes: Sandboxes; workspaces: Workspaces },
  { frozen, slotDir }: { frozen: FrozenRun; slotDir: string },
  signal: AbortSignal,
): WarmClaim {
  let claimed: ClaimedSandbox | undefined
  return {
    get claimed() {
      return claimed
    },
    async claim(layout) {
      if (sandboxes.poolStats() === undefined) return undefined
      const { runtimes } = await sandboxes.facts({ signal })
      const confinement = firstConfinement(frozen, runtimes)
      const { workspace, git } = confinement
      const warm = await sandboxes.claim(
        {
          image: frozen.image,
          confinement,
          mountsOf: (slot) => workspaces.premadeMounts(slot, layout, { workspace, git }),
          readOnlyRoots: layout.objectDirs,
        },
        { signal },
      )
      if (warm === undefined) return undefined
      const { sandbox, user } = warm
      try {
        // What is mounted stays mounted: the engine holds the directory, not its name.
        fs.renameSync(warm.slotDir, slotDir)
      } catch (error) {
        await sandbox.close()
        fs.rmSync(warm.slotDir, { recursive: true, force: true })
        throw error
      }
      claimed = { digest: confinementDigest(confinement), sandbox }
      return user
    },
  }
}

function firstConfinement({ plan, policy }: FrozenRun, runtimes: readonly string[]) {
  const [first] = plan.stages
  const mode = stageMode(policy, { blueprint: undefined, stage: first?.sandbox ?? undefined })
  const network = first?.network ?? undefined
  return compileConfinement(policy, mode, { runtimes, network, omitsDeniedPaths: true })
}
