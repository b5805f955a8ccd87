/** What comes and goes between repositories on different machines, as packs of commits. */
import fs from 'node:fs'
import path from 'node:path'
import { OpenExecError } from '../schema/index.ts'
import { storeRef } from './commits.ts'
import type { ObjectFormat } from './content.ts'
import { FETCH_LIMITS, type FetchedSource, type FetchRequest, fetchSource } from './fetch-source.ts'
import type { GitProgram } from './git-process.ts'
import {
  findKept,
  heldCommits,
  isHeld,
  keepSource,
  keptBytes,
  type KeptIdentity,
  type KeptSource,
} from './kept-source.ts'
import { type ObjectStore, storePlace } from './object-store.ts'
import type { Source } from './open-source.ts'
import { boundedBy, indexPack, PACK_LIMITS, receiveCommit } from './receive-commit.ts'
import { type KeptInUse, pruneKept } from './prune-kept.ts'
import { type CommitPack, knownCommits, packCommits, repositoryKey } from './send-commits.ts'

/** How a repository is told from others, without saying where it is. */
export interface RepositoryName {
  key: string
  objectFormat: ObjectFormat
  shallow: string[]
}

export interface Exchange {
  /** A repository of a tenant whose checkout is elsewhere; empty at first. */
  keepSource(identity: KeptIdentity): KeptSource
  /** `undefined` for one that is not there, or is another tenant's. */
  findKept(id: string, tenant: string): KeptSource | undefined
  /** Bytes kept for a tenant. */
  keptBytes(tenant: string): number
  /** Commits that a client need not send again, newest first. */
  heldCommits(kept: KeptSource): string[]
  isHeld(kept: KeptSource, commit: string): boolean
  /**
   * Checks a pack in a place of its own and takes a commit out of it. Throws `bad_request` for what is
   * unsound or not whole, `too_large`.
   */
  receiveCommit(
    kept: KeptSource,
    request: { commit: string; packFile: string; signal: AbortSignal },
  ): Promise<void>
  /** Throws `repository_invalid`. */
  nameRepository(source: Source, signal: AbortSignal): Promise<RepositoryName>
  /** Those of the ids that are commits of the store. */
  knownCommits(store: ObjectStore, ids: readonly string[], signal: AbortSignal): Promise<string[]>
  /** All that `commits` need beyond what `known`, which the store must have, reach. */
  packCommits(
    store: ObjectStore,
    request: { commits: readonly string[]; known: readonly string[]; signal: AbortSignal },
  ): CommitPack
  /** Checks a pack and brings its commit into the store of a checkout. Throws as `receiveCommit()`. */
  takePack(
    store: ObjectStore,
    request: { commit: string; packFile: string; signal: AbortSignal },
  ): Promise<void>
  /**
   * A commit of a repository elsewhere, from the one address that is named. Throws
   * `repository_invalid` for what is not there or not sound, `too_large`.
   */
  fetchSource(request: FetchRequest & { signal: AbortSignal }): Promise<FetchedSource>
  /** Kept repositories no run refers to are removed; gives their roots. */
  pruneKept(inUse: KeptInUse, signal: AbortSignal): Promise<string[]>
}

export function exchanging(
  program: GitProgram,
  { stateDir, now }: { stateDir: string; now(): number },
): Exchange {
  const limits = PACK_LIMITS
  return {
    keepSource: (identity) => keepSource(stateDir, identity),
    findKept: (id, tenant) => findKept(stateDir, id, tenant),
    keptBytes: (tenant) => keptBytes(stateDir, tenant),
    heldCommits,
    isHeld,
    receiveCommit: (kept, { signal, ...request }) =>
      receiveCommit({ program, signal }, kept, { ...request, limits }),
    async nameRepository({ store, commit, commonDir, objectFormat }, signal) {
      const key = await repositoryKey({ program, signal }, store, commit)
      return { key, objectFormat, shallow: shallowOf(commonDir) }
    },
    knownCommits: (store, ids, signal) => knownCommits({ program, signal }, store, ids),
    packCommits: (store, { signal, ...request }) =>
      packCommits({ program, signal }, store, request),
    fetchSource: ({ signal, ...request }) =>
      fetchSource({ program, signal }, stateDir, { ...request, limits: FETCH_LIMITS }),
    pruneKept: (inUse, signal) => pruneKept({ program, signal }, stateDir, { inUse, now: now() }),
    async takePack(store, { commit, packFile, signal }) {
      const bounded = boundedBy({ program, signal }, limits)
      await indexPack(bounded, storePlace(store), { packFile, limits })
      // A ref is only written to what is there, and keeps it.
      await storeRef({ program, signal }, store, { ref: `refs/openexec/base/${commit}`, commit })
    },
  }
}

const SHALLOW_MAX = 10_000

function shallowOf(commonDir: string): string[] {
  const file = path.join(commonDir, 'shallow')
  if (!fs.existsSync(file)) return []
  const ends = fs
    .readFileSync(file, 'latin1')
    .split('\n')
    .filter((line) => line !== '')
  if (ends.length <= SHALLOW_MAX) return ends
  throw new OpenExecError('repository_invalid', 'Cannot send the repository: it is too shallow', {
    hint: `Its history ends at ${ends.length} commits; fetch more of it with \`git fetch --unshallow\``,
  })
}
