/**
 * A checkout on this machine for a run that is elsewhere: its commits are sent from here, and what the
 * run made is taken home by the very code that does it where everything is on one machine. What has to
 * be kept meanwhile lies in a temporary directory that goes with it.
 */
import { mkdtempSync, realpathSync, rmSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import type { Config } from './config.ts'
import { OpenExecError } from './schema/index.ts'
import { createWorkspaces, type Merged, type RepositoryName } from './workspace/index.ts'

interface Offered extends RepositoryName {
  commit: string
  /** The user's own commit that it is, or stands on. */
  anchor: string
  /** Uncommitted files that are no part of it. */
  left: number
}

export interface PackFile {
  size: number
  read(offset: number, length: number): Promise<Uint8Array>
}

export interface Checkout {
  /** Throws as opening a repository for a run does. */
  offer(wanted: { ref: string | undefined; includeDirty: boolean }): Promise<Offered>
  /** What the commit needs beyond those of `have` that are here. Throws `too_large`. */
  pack(commit: string, have: readonly string[], bytesMax: number): Promise<PackFile>
  /** Those of the ids that are commits here. */
  known(ids: readonly string[]): Promise<string[]>
  /** Checks a pack that came from elsewhere. Throws `too_large`, `bad_request`. */
  take(commit: string, pack: AsyncIterable<Uint8Array>, bytesMax: number): Promise<void>
  /** All or nothing; throw `conflict` with the list. */
  apply(trees: { from: string; to: string }): Promise<void>
  merge(request: { commit: string; message: string }): Promise<Merged>
  branch(request: { name: string; commit: string }): Promise<void>
}

/** `start` is any directory inside of it. */
export async function withCheckout<T>(
  { config, start, signal }: { config: Config; start: string; signal: AbortSignal },
  work: (checkout: Checkout) => Promise<T>,
): Promise<T> {
  const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'openexec-client-')))
  try {
    return await work(checkoutAt(start, { config, scratch, signal }))
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

function checkoutAt(
  start: string,
  { config, scratch, signal }: { config: Config; scratch: string; signal: AbortSignal },
): Checkout {
  const workspaces = createWorkspaces({
    stateDir: scratch,
    searchPath: config.path,
    now: Date.now,
  })
  const packFile = join(scratch, 'pack')
  const store = () => workspaces.openStore(start, signal)
  return {
    async offer(wanted) {
      const source = await workspaces.openSource({ path: start, ...wanted, signal })
      const { commit, anchor, dirty } = source
      const left = wanted.includeDirty ? 0 : dirty.tracked + dirty.untracked
      return { ...(await workspaces.nameRepository(source, signal)), commit, anchor, left }
    },
    async pack(commit, have, bytesMax) {
      const at = await store()
      const known = await workspaces.knownCommits(at, have, signal)
      const pack = workspaces.packCommits(at, { commits: [commit], known, signal })
      try {
        await writeCapped(packFile, pack.bytes, bytesMax)
        await pack.done
      } finally {
        pack.kill()
      }
      return { size: statSync(packFile).size, read: (...at) => readPart(packFile, ...at) }
    },
    known: async (ids) => workspaces.knownCommits(await store(), ids, signal),
    async take(commit, pack, bytesMax) {
      await writeCapped(packFile, pack, bytesMax)
      await workspaces.takePack(await store(), { commit, packFile, signal })
    },
    apply: async (trees) => void (await workspaces.apply(start, { ...trees, signal })),
    merge: (request) => workspaces.merge(start, { ...request, signal }),
    branch: (request) => workspaces.createBranch(start, { ...request, signal }),
  }
}

async function writeCapped(
  file: string,
  bytes: AsyncIterable<Uint8Array>,
  max: number,
): Promise<void> {
  async function* capped() {
    let size = 0
    for await (const piece of bytes) {
      size += piece.length
      if (size > max)
        throw new OpenExecError(
          'too_large',
          `Cannot exchange commits: they take more than ${max} bytes`,
          { hint: 'Name a path of the server with --repo-on-server, or an address with --repo' },
        )
      yield piece
    }
  }
  await pipeline(capped, createWriteStream(file, { mode: 0o600 }))
}

async function readPart(file: string, offset: number, length: number): Promise<Uint8Array> {
  const handle = await open(file, 'r')
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, offset)
    return buffer.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}
