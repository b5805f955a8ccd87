/**
 * Brings a run's changes into the user's checkout: all of them or none. The index and every path the
 * change does not name stay as they are, and nothing is written through a symbolic link.
 */
import fs from 'node:fs'
import { OpenExecError } from '../schema/index.ts'
import {
  beginMoves,
  finishStaging,
  openStaging,
  recoverApply,
  rollBack,
  type Seals,
  type Staging,
} from './apply-journal.ts'
import { type ApplyPlan, type ApplyStep, type Conflict, planApply } from './apply-plan.ts'
import { openBlobReader } from './blob-reader.ts'
import { showPath, toText } from './byte-path.ts'
import { closing, closingAfter, Directory } from './directory.ts'
import type { FoundRepository } from './find-repository.ts'
import type { GitCaller } from './git.ts'
import { throwIfCancelled } from './git-process.ts'
import { type ObjectStore, storePlace } from './object-store.ts'
import { atPath, locateOrMake, pruneParents } from './parents.ts'
import { changesBetween } from './raw-changes.ts'
import { isStatePath, liesIn } from './state-path.ts'
import { pauser } from './walk.ts'
import { writeEntry } from './write-entry.ts'

export interface Applied {
  /** Paths written or deleted. */
  changed: number
  /** Paths that already were as wanted. */
  alreadyThere: number
}

/** The last step of a change: it happens with the files, or they go back. */
export interface Seal {
  note: Seals
  close(): Promise<void>
}

const CONFLICTS_SHOWN_MAX = 100

/** Throws `conflict` with `details.conflicts` when the checkout is not what the change starts from. */
export async function applyToCheckout(
  caller: GitCaller,
  store: ObjectStore,
  request: {
    checkout: FoundRepository
    fileMode: boolean
    from: string
    to: string
    /** Nothing is written there, wherever in the checkout it lies. */
    stateDir: string
    /** What has to succeed together with the files; undefined when they are all. */
    seal: Seal | undefined
  },
): Promise<Applied> {
  const { checkout } = request
  // Whoever seals has looked after the last one before its preparations.
  if (request.seal === undefined) await recoverApply(checkout)
  const changes = await changesBetween(caller, store, request)
  const root = Directory.open(checkout.root)
  return closingAfter([root], async () => {
    const plan = await planApply(changes, {
      root,
      format: store.objectFormat,
      fileMode: request.fileMode,
      isOurs: (path) => isStatePath(path) || liesIn(request.stateDir, checkout.root, path),
      pause: pauser(caller.signal),
    })
    if (plan.conflicts.length > 0) throw conflict(checkout.root, plan.conflicts)
    const { seal } = request
    if (plan.steps.length > 0 || seal !== undefined)
      await carryOut(caller, store, { checkout, root, plan, seal })
    return { changed: plan.steps.length, alreadyThere: changes.length - plan.steps.length }
  })
}

async function carryOut(
  caller: GitCaller,
  store: ObjectStore,
  work: {
    checkout: FoundRepository
    root: Directory
    plan: ApplyPlan
    seal: Seal | undefined
  },
): Promise<void> {
  const { checkout, root, plan, seal } = work
  const staging = await openStaging(checkout)
  try {
    await stageNew(caller, store, { root: checkout.root, staging, plan })
    // From here on it is a matter of renames; an abort would only be undone.
    throwIfCancelled(caller.signal, 'apply the changes')
    beginMoves(staging, plan, seal?.note)
    for (const [position, step] of plan.steps.entries()) moveAway(root, staging, { position, step })
    for (const step of plan.steps) {
      if (step.write === undefined) pruneParents(root, step.path, () => undefined)
    }
    for (const [position, step] of plan.steps.entries()) moveIn(root, staging, { position, step })
    await seal?.close()
  } catch (error) {
    await rollBack(checkout.root, staging)
    if (error instanceof OpenExecError) throw error
    throw new OpenExecError('workspace_failed', `Cannot apply to "${checkout.root}": undone`, {
      hint: 'Check free space and your rights on the files named by the change',
      cause: error,
    })
  } finally {
    staging.fresh.close()
    staging.old.close()
  }
  await finishStaging(staging)
}

async function stageNew(
  caller: GitCaller,
  store: ObjectStore,
  work: { root: string; staging: Staging; plan: ApplyPlan },
): Promise<void> {
  const place = fs.statSync(work.root)
  const reader = openBlobReader(caller, storePlace(store))
  try {
    for (const [position, { write, old }] of work.plan.steps.entries()) {
      if (write === undefined) continue
      // Only root can give files away, and must not leave files of its own behind.
      const owner = process.getuid?.() === 0 ? (old ?? place) : undefined
      const given = owner === undefined ? undefined : { uid: owner.uid, gid: owner.gid }
      const at = { parent: work.staging.fresh, name: String(position) }
      await writeEntry(reader, at, { ...write, owner: given })
    }
  } finally {
    await reader.close()
  }
}

interface Move {
  position: number
  step: ApplyStep
}

function moveAway(root: Directory, staging: Staging, { position, step }: Move): void {
  if (step.old === undefined) return
  const { ino, size, mtimeMs } = step.old
  const moved = atPath(root, step.path, (parent, name) => {
    const now = parent.lstat(name)
    if (now?.ino !== ino || now.size !== size || now.mtimeMs !== mtimeMs) return false
    parent.rename(name, staging.old, String(position))
    return true
  })
  if (moved !== true) throw raced(step)
}

function moveIn(root: Directory, staging: Staging, { position, step }: Move): void {
  if (step.write === undefined) return
  const owner = process.getuid?.() === 0 ? root.lstat('.') : undefined
  const { parent, name } = locateOrMake(root, step.path, (above, made) => {
    if (owner !== undefined) fs.lchownSync(above.at(made), owner.uid, owner.gid)
  })
  closing([parent], () => {
    if (parent.lstat(name) !== undefined) throw raced(step)
    staging.fresh.rename(String(position), parent, name)
  })
}

function raced(step: ApplyStep): OpenExecError {
  return new OpenExecError(
    'conflict',
    `Cannot apply ${showPath(step.path)}: it changed meanwhile`,
    {
      hint: 'Try again when nothing else writes to the checkout',
    },
  )
}

function conflict(root: string, conflicts: readonly Conflict[]): OpenExecError {
  const shown = conflicts.slice(0, CONFLICTS_SHOWN_MAX)
  const names = shown.slice(0, 5).map(({ path, reason }) => `${showPath(path)} (${reason})`)
  const more =
    conflicts.length > names.length ? `, and ${conflicts.length - names.length} more` : ''
  return new OpenExecError(
    'conflict',
    `Cannot apply to "${root}": ${conflicts.length} conflicts: ${names.join(', ')}${more}`,
    {
      hint: 'Nothing was changed. Commit what is yours and use `openexec merge`, which joins both sides, or move it out of the way',
      details: { conflicts: shown.map(({ path, reason }) => ({ path: toText(path), reason })) },
    },
  )
}
