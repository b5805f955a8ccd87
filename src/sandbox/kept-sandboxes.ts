/**
 * Sandboxes that outlive the process which made them: made, left running, found again by the
 * resume protocol of their pipe, and removed by hand or when they expire. Within one process all
 * who use the same sandbox share one attach; between processes one has it at a time.
 */
import { randomBytes } from 'node:crypto'
import { chown, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Confinement, Receipt, SandboxId } from '../schema/index.ts'
import { sandboxEnv } from './container-env.ts'
import type { DockerSandbox } from './docker-sandbox.ts'
import { attachKept } from './kept-attach.ts'
import {
  findRecord,
  keptDirectory,
  type KeptRecord,
  lockSandbox,
  readRecords,
  removeDirectory,
  writeRecord,
} from './kept-record.ts'
import { type OpenContext, openSandbox } from './open.ts'
import { keptFilter } from './labels.ts'
import type { InteractiveSandbox } from './sandbox.ts'
import { removeContainer } from './start.ts'
import { resolveImage } from './images.ts'
import { runningContainers } from './kept-states.ts'
import type { SandboxUser } from './slot-files.ts'

interface KeptWish {
  id: SandboxId
  /** Name of the image as a user gives it. */
  image: string
  confinement: Confinement
  user: SandboxUser
  /** `ms` from now on. */
  lifetimeMs: number
}

export interface KeptSandbox {
  id: SandboxId
  image: string
  /** `stopped`: its processes are gone, its files are there until it is removed. */
  state: 'running' | 'stopped'
  /** Epoch `ms` */
  createdAt: number
  expiresAt: number
  receipt: Receipt
}

export interface KeptSandboxes {
  /** Opens one and leaves it running. Throws what `Sandboxes.open()` throws; nothing is left then. */
  create(wish: KeptWish, options: { signal: AbortSignal }): Promise<KeptSandbox>
  /** Oldest first. */
  list(options: { signal: AbortSignal }): Promise<KeptSandbox[]>
  /**
   * Does something in it, found by id or a unique beginning. Throws `not_found`, `conflict` while
   * another process has it, `sandbox_lost` when it has ended.
   */
  use<T>(
    prefix: string,
    work: (sandbox: InteractiveSandbox) => Promise<T>,
    options: { signal: AbortSignal },
  ): Promise<T>
  /** Ends all its processes; the files stay until `remove()`. */
  stop(prefix: string, options: { signal: AbortSignal }): Promise<SandboxId>
  remove(prefix: string, options: { signal: AbortSignal }): Promise<SandboxId>
  /** Removes those that have expired; gives their ids. */
  sweep(options: { signal: AbortSignal }): Promise<SandboxId[]>
}

export interface KeptDeps {
  /** Holds one private directory for each. */
  root: string
  context(id: string, signal: AbortSignal): Promise<OpenContext>
  now(): number
}

interface Held {
  sandbox: Promise<DockerSandbox>
  unlock(): Promise<void>
  users: number
}

export function createKeptSandboxes(deps: KeptDeps): KeptSandboxes {
  const { root } = deps
  const held = new Map<SandboxId, Held>()
  const list = async (signal: AbortSignal) => {
    const records = await readRecords(root)
    if (records.length === 0) return []
    const { engine } = await deps.context('none', signal)
    const running = await runningContainers(engine, { label: [keptFilter()] }, signal)
    return records.map((record) => shown(record, running.has(record.container)))
  }
  const stop = async (prefix: string, signal: AbortSignal) => {
    const record = await findRecord(root, prefix)
    const { engine } = await deps.context(record.id, signal)
    await removeContainer(engine, record.container)
    return record.id
  }
  const remove = async (prefix: string, signal: AbortSignal) => {
    const id = await stop(prefix, signal)
    await removeDirectory(root, id)
    return id
  }
  return {
    create: (wish, { signal }) => create(deps, wish, signal),
    list: ({ signal }) => list(signal),
    async use(prefix, work, { signal }) {
      const record = await findRecord(root, prefix)
      const one = await hold(deps, { held, record }, signal)
      try {
        return await work(await one.sandbox)
      } finally {
        await release(held, record.id, one)
      }
    },
    stop: (prefix, { signal }) => stop(prefix, signal),
    remove: (prefix, { signal }) => remove(prefix, signal),
    async sweep({ signal }) {
      const old = (await readRecords(root)).filter(({ expiresAt }) => expiresAt < deps.now())
      for (const { id } of old) await remove(id, signal)
      return old.map(({ id }) => id)
    },
  }
}

async function create(deps: KeptDeps, wish: KeptWish, signal: AbortSignal): Promise<KeptSandbox> {
  const { id, image, confinement, user } = wish
  const slot = keptDirectory(deps.root, id)
  const tree = join(slot, 'tree')
  const context = await deps.context(id, signal)
  const resolved = await resolveImage(context.engine.docker, image, signal)
  await mkdir(tree, { recursive: true, mode: 0o700 })
  let sandbox: DockerSandbox | undefined
  try {
    if (process.getuid?.() === 0) await chown(tree, user.uid, user.gid)
    const [createdAt, key] = [deps.now(), randomBytes(32).toString('hex')]
    const expiresAt = createdAt + wish.lifetimeMs
    const mounts = [{ source: tree, target: '/workspace', readOnly: false }]
    sandbox = await openSandbox(
      context,
      {
        id,
        run: 'none',
        image: resolved.name,
        confinement,
        user,
        mounts,
        slot,
        roots: [slot],
        readOnlyRoots: [],
        measure: undefined,
        acceptDegraded: false,
        meanwhile: () => {},
        kept: { key, expiresAt },
      },
      signal,
    )
    const record: KeptRecord = {
      version: 1,
      id,
      key,
      image,
      createdAt,
      expiresAt,
      receipt: sandbox.receipt,
      container: sandbox.container,
      env: sandboxEnv(resolved.config.env, confinement.env),
    }
    await writeRecord(deps.root, record)
    sandbox.detach()
    return shown(record, true)
  } catch (error) {
    await sandbox?.close().catch(() => {})
    await rm(slot, { recursive: true, force: true })
    throw error
  }
}

/** The one attach of this process, made by whoever needs it first. */
async function hold(
  deps: KeptDeps,
  { held, record }: { held: Map<SandboxId, Held>; record: KeptRecord },
  signal: AbortSignal,
): Promise<Held> {
  const there = held.get(record.id)
  if (there !== undefined) {
    there.users++
    return there
  }
  const locking = lockSandbox(deps.root, record.id)
  const sandbox = locking.then(async () =>
    attachKept(await deps.context(record.id, signal), record, signal),
  )
  const one = { sandbox, unlock: async () => (await locking)(), users: 1 }
  held.set(record.id, one)
  try {
    await sandbox
    return one
  } catch (error) {
    held.delete(record.id)
    await one.unlock().catch(() => {})
    throw error
  }
}

async function release(held: Map<SandboxId, Held>, id: SandboxId, one: Held): Promise<void> {
  if (--one.users > 0) return
  held.delete(id)
  await one.sandbox.then(
    (sandbox) => sandbox.detach(),
    () => {},
  )
  await one.unlock().catch(() => {})
}

function shown(record: KeptRecord, isRunning: boolean): KeptSandbox {
  const { id, image, createdAt, expiresAt, receipt } = record
  return { id, image, state: isRunning ? 'running' : 'stopped', createdAt, expiresAt, receipt }
}
