/** Packs that give the private git directory the objects no mounted object directory has. */
import path from 'node:path'
import { type GitCaller, gitFed, gitStream } from './git.ts'
import { type ObjectStore, storePlace } from './object-store.ts'
import type { Slot } from './slot.ts'

/** One commit with all of its tree, and nothing before it. */
export async function packOneCommit(
  caller: GitCaller,
  store: ObjectStore,
  target: { slot: Slot; commit: string },
): Promise<void> {
  const place = storePlace(store)
  const args = ['rev-list', '--objects', '--no-object-names', '--no-walk', target.commit]
  const objects = gitStream(caller, place, args)
  const pack = gitStream(caller, place, [...PACK_ARGS, packBase(target.slot)])
  try {
    pack.stdout.resume()
    objects.stdout.pipe(pack.stdin)
    await Promise.all([objects.done, pack.done])
  } finally {
    objects.kill()
    pack.kill()
  }
}

/** What `commit` has and `known` has not. */
export async function packDifference(
  caller: GitCaller,
  store: ObjectStore,
  target: { slot: Slot; commit: string; known: string },
): Promise<void> {
  await gitFed(caller, storePlace(store), {
    args: [...PACK_ARGS, '--revs', packBase(target.slot)],
    input: `${target.commit}\n^${target.known}\n`,
  })
}

/** Existing deltas are taken over; none is searched for, a run is short. */
const PACK_ARGS = ['pack-objects', '--quiet', '--window=0', '--delta-base-offset']

function packBase(slot: Slot): string {
  return path.join(slot.git, 'objects/pack/pack')
}
