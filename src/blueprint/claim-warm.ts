/**
 * The sandbox that a run begins with, where one was started before anybody asked: for this very run
 * when it was submitted, or by the pool for any run like it. Which confinement the run needs first is
 * a guess from its plan: a wrong one costs a start, and what was claimed is removed.
 */
import fs from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import type { EarlySandbox } from '../actions/index.ts'
import { confinementDigest } from '../policy/index.ts'
import type { Sandboxes, WarmSandbox } from '../sandbox/index.ts'
import type { SlotLayout, Workspaces } from '../workspace/index.ts'
import type { FrozenRun } from './frozen-run.ts'
import { firstConfinement, type HeadStart } from './head-start.ts'

export interface WarmClaim {
  /** Moves the claimed slot to the run's place; says whom it belongs to. */
  claim(layout: SlotLayout): Promise<{ uid: number; gid: number } | undefined>
  /** Known once `claim()` has settled. */
  readonly claimed: EarlySandbox | undefined
}

export function createWarmClaim(
  { sandboxes, workspaces }: { sandboxes: Sandboxes; workspaces: Workspaces },
  { frozen, slotDir, head }: { frozen: FrozenRun; slotDir: string; head: HeadStart | undefined },
  signal: AbortSignal,
): WarmClaim {
  let claimed: EarlySandbox | undefined
  return {
    get claimed() {
      return claimed
    },
    async claim(layout) {
      if (head !== undefined) {
        if (!isDeepStrictEqual(head.layout, layout)) {
          await head.abandon()
          return undefined
        }
        head.taken()
        claimed = startedEarly(head)
        return head.user
      }
      // One that waits has an empty directory mounted, which nothing laid over later would reach.
      if (layout.seed !== undefined) return undefined
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
      claimed = waiting(sandbox, confinementDigest(confinement))
      return user
    },
  }
}

function waiting(sandbox: WarmSandbox['sandbox'], digest: string): EarlySandbox {
  return {
    id: sandbox.id,
    digest,
    warm: true,
    open: async () => sandbox,
    watchDisk: (measure) => sandbox.watchDisk(measure),
    close: () => sandbox.close(),
  }
}

/** Its disk is watched since it was opened. */
function startedEarly({ id, digest, opening, end }: HeadStart): EarlySandbox {
  return {
    id,
    digest,
    warm: false,
    async open(signal) {
      signal.addEventListener('abort', end, { once: true })
      try {
        return await opening
      } finally {
        signal.removeEventListener('abort', end)
      }
    },
    watchDisk: () => {},
    close: async () => {
      end()
      await opening.then(
        (sandbox) => sandbox.close(),
        () => {},
      )
    },
  }
}
