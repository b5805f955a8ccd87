/**
 * A workspace over a seed: chosen or grown before anything of the slot exists, mounted before
 * anything of it is mounted elsewhere, filled with what tells it from the seed.
 */
import path from 'node:path'
import { surveyTree } from './base-tree.ts'
import { chooseSeed, hasRoom, type SeedChoice, type SeedOptions } from './choose-seed.ts'
import type { Base, CreateRequest, Placed } from './create-workspace.ts'
import { together } from './together.ts'
import type { GitCaller } from './git.ts'
import { canRead, packHistory } from './inside-history.ts'
import { fillLayer, type Layer, layOver } from './layer.ts'
import { giveAway, writeMounted } from './make-slot.ts'
import { makeSeed } from './make-seed.ts'
import { fileTimeS } from './materialise.ts'
import { writePrivateGitDir } from './private-gitdir.ts'
import { removeTree } from './remove-tree.ts'
import { leaveSeed, useSeed } from './seeds.ts'
import { makeSlot, recordOf, type Slot, writeRecord } from './slot.ts'
import { addWorktreeEntry } from './worktree-entry.ts'

export type Ground = Extract<SeedChoice, { kind: 'seed' | 'none' }>

/** What the workspace will lie over, or why it has files of its own. Throws as `create()` does. */
export async function findGround(
  caller: GitCaller,
  slot: Slot,
  { request, base }: { request: CreateRequest; base: Base },
): Promise<Ground> {
  const { seeds, source } = request
  const { tree, history } = base.inside
  if (seeds === undefined) return { kind: 'none', why: 'not asked for' }
  const choice = await chooseSeed(caller, seeds, {
    stateDir: seeds.stateDir,
    slotDir: slot.dir,
    store: source.store,
    tree,
    filtered: history === 'filtered',
    gitDir: source.gitDir,
  })
  return choice.kind === 'make' ? await grow(caller, seeds, { request, base }) : choice
}

/** A seed of this tree, made now: the first workspace pays for it what its files would cost. */
async function grow(
  caller: GitCaller,
  { stateDir, entriesMin }: SeedOptions & { stateDir: string },
  { request, base }: { request: CreateRequest; base: Base },
): Promise<Ground> {
  const { source, uid, gid, limits, denyRead = () => false } = request
  const { store } = source
  base.survey ??= await surveyTree(caller, store, { limits, denyRead, tree: source.tree })
  const { survey } = base
  const count = survey.listed.length
  if (count < entriesMin) return none(`${count} files, fewer than ${entriesMin}`)
  if (!hasRoom(stateDir, survey)) return none('too little space for a checkout')
  const seed = await makeSeed(caller, {
    stateDir,
    store,
    tree: base.inside.tree,
    filtered: base.inside.history === 'filtered',
    survey,
    owner: { uid, gid },
    mtimeS: fileTimeS(source.committedAtS, request.nowMs),
  })
  const isKept = seed !== undefined && useSeed(seed, request.slotDir)
  return isKept ? { kind: 'seed', seed, changes: [] } : none('the checkout was removed at once')
}

function none(why: string): Ground {
  return { kind: 'none', why }
}

/** Makes the slot and mounts its tree; a string says why there is none, and no slot then. */
export async function makeLayer(slot: Slot, ground: Ground): Promise<Layer | string> {
  if (ground.kind === 'none') return ground.why
  try {
    makeSlot(slot)
  } catch (error) {
    leaveSeed(ground.seed.dir, slot.dir)
    throw error
  }
  const layer = await layOver(slot, ground)
  // What comes instead makes the slot itself, or claims another one.
  if (typeof layer === 'string') await removeTree(path.dirname(slot.dir), path.basename(slot.dir))
  return layer
}

/** Everything that is mounted by itself. */
export function placeLayer(
  slot: Slot,
  { seed }: Layer,
  { request, base }: { request: CreateRequest; base: Base },
): Placed {
  const { uid, gid, submodules, tree } = seed.record
  writeMounted(slot, { tree: false })
  const { inside } = base
  // Whose files they are decides what git inside can read.
  const isReadable = inside.history !== 'full' || canRead(uid, request.source.objectDirs)
  const history = isReadable ? inside.history : 'head'
  const placed = { ...base, inside: { ...inside, history } }
  const { source, runId } = request
  const denied = base.survey?.denied ?? []
  const record = recordOf({ source, runId, uid, gid }, { ...placed, denied })
  return { ...placed, record: { ...record, submodules, seed: { dir: seed.dir, tree } } }
}

export async function fillPlaced(
  caller: GitCaller,
  slot: Slot,
  { request, record, inside, layer }: Placed & { request: CreateRequest; layer: Layer },
): Promise<void> {
  const { source, runId } = request
  const { store, anchor } = source
  addWorktreeEntry(source, { slot, runId, commit: anchor })
  await together([
    fillLayer(caller, store, { slot, record, layer }),
    writePrivateGitDir(caller, source, { slot, runId, ...inside }).then(() =>
      packHistory(caller, slot, { source, ...inside }),
    ),
  ])
  giveAway(slot, record, { tree: false })
  // Its presence says that the workspace is whole.
  writeRecord(slot, record)
}
