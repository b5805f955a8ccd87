/**
 * Warm sandboxes: started, supervised, their receipts complete, an empty slot mounted, waiting for a
 * run to fill it. Each is handed out once and never comes back. What is kept warm follows what runs
 * have asked for; filling happens one at a time, and only while no run waits for a start of its own.
 */
import { rmSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, hashJson, type Log, type NewId, OpenExecError } from '../schema/index.ts'
import type { DockerSandbox } from './docker-sandbox.ts'
import type { SandboxSpec } from './open.ts'
import { type Marks, type PoolWish, Shelf, type WarmSandbox } from './pool-shelf.ts'
import { createPoolCounters, type PoolCounters, type PoolStats } from './pool-stats.ts'
import type { SandboxUser } from './slot-files.ts'

export interface PoolOptions extends Marks {
  /** Slots wait in a directory of this process below it. */
  directory: string
  newId: NewId
  /** Makes a slot with everything that is mounted, empty; says whom it belongs to. */
  makeSlot(slotDir: string): SandboxUser
}

export interface PoolDeps {
  options: PoolOptions
  /** This process's own directory. */
  directory: string
  open(spec: SandboxSpec, signal: AbortSignal): Promise<DockerSandbox>
  /** Runs wait for starts of their own. */
  isBusy(): boolean
  now: Clock
  log: Log
}

/** Kinds of sandboxes kept at once; the one nobody has asked for longest goes first. */
const SHELVES_MAX = 8
/** Quiet time after a claim: the run that claimed comes first. */
const REST_MS = 250
const HEALTH_TIMEOUT_MS = 1_000
/** Its labels expire an hour after the wall-clock limit of a run: half of it may be waited. */
const WAIT_MAX_MS = 1_800_000
const IDLE_MAX_MS = 1_800_000
const OPEN_TIMEOUT_MS = 120_000
/** Stands where a run stands in the labels of one that has none yet. */
const POOL_RUN = 'pool'

export class Pool {
  #deps: PoolDeps
  #shelves = new Map<string, Shelf>()
  #counters: PoolCounters
  #closing = new AbortController()
  #filling: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(deps: PoolDeps) {
    this.#deps = deps
    this.#counters = createPoolCounters(deps.options)
  }

  /** A healthy one that belongs to the caller from now on, slot and all; `undefined` on a miss. */
  async claim(wish: PoolWish, signal: AbortSignal): Promise<WarmSandbox | undefined> {
    if (this.#closing.signal.aborted) return undefined
    const shelf = this.#shelfOf(wish)
    shelf.wishedAt = this.#deps.now()
    this.#fillLater(REST_MS)
    for (let warm = shelf.take(); warm !== undefined; warm = shelf.take()) {
      if (await isHealthy(warm, signal)) {
        this.#counters.hit()
        return warm
      }
      this.#counters.unhealthy()
      void this.#discard(warm)
    }
    this.#counters.missed()
    return undefined
  }

  stats(): PoolStats {
    return this.#counters.stats([...this.#shelves.values()])
  }

  /** Removes what has waited too long, or nobody has asked for in a while. */
  async tidy(): Promise<void> {
    const at = this.#deps.now()
    const old = [...this.#shelves].flatMap(([key, shelf]) => {
      const isIdle = at - shelf.wishedAt > IDLE_MAX_MS
      if (isIdle) this.#shelves.delete(key)
      return shelf.waiting
        .filter(({ openedAt }) => isIdle || at - openedAt > WAIT_MAX_MS)
        .map((warm) => ({ shelf, warm }))
    })
    for (const { shelf, warm } of old) shelf.drop(warm)
    await Promise.all(old.map(({ warm }) => this.#discard(warm)))
    if (old.length > 0) this.#fillLater(REST_MS)
  }

  /** Removes all of it. */
  async close(): Promise<void> {
    this.#closing.abort(new OpenExecError('cancelled', 'Cannot fill the pool: OpenExec is ending'))
    clearTimeout(this.#timer)
    await this.#filling
    const all = [...this.#shelves.values()].flatMap((shelf) => shelf.takeAll())
    this.#shelves.clear()
    await Promise.all(all.map((warm) => this.#discard(warm)))
    rmSync(this.#deps.directory, { recursive: true, force: true })
  }

  #shelfOf(wish: PoolWish): Shelf {
    const { image, confinement, mountsOf } = wish
    const mounts = mountsOf('/slot').map(({ source, target, readOnly }) => ({
      source,
      target,
      readOnly,
    }))
    const key = hashJson({ image: image.id, confinement, mounts })
    const known = this.#shelves.get(key)
    const shelf = known ?? new Shelf(wish, this.#deps.options, this.#deps.now())
    this.#shelves.delete(key)
    this.#shelves.set(key, shelf)
    const [eldest] = this.#shelves
    if (this.#shelves.size > SHELVES_MAX && eldest !== undefined) {
      this.#shelves.delete(eldest[0])
      for (const warm of eldest[1].takeAll()) void this.#discard(warm)
    }
    return shelf
  }

  async #discard({ sandbox, slotDir }: WarmSandbox): Promise<void> {
    await sandbox.close().catch((error: unknown) => this.#deps.log.warn(wordsOf(error)))
    await rm(slotDir, { recursive: true, force: true })
  }

  #fillLater(ms: number): void {
    if (this.#closing.signal.aborted || this.#filling !== undefined) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#filling = this.#fillOne().finally(() => {
        this.#filling = undefined
        const soonest = Math.min(...this.#wanted().map(({ waitMs }) => waitMs))
        if (soonest === Infinity) return
        this.#fillLater(this.#deps.isBusy() ? Math.max(REST_MS, soonest) : soonest)
      })
    }, ms).unref()
  }

  async #fillOne(): Promise<void> {
    const wanted = this.#wanted().find(({ waitMs }) => waitMs === 0)
    if (wanted !== undefined && !this.#deps.isBusy()) await this.#openOne(wanted.shelf)
  }

  /** The shelf that was asked last comes first. */
  #wanted(): { shelf: Shelf; waitMs: number }[] {
    return [...this.#shelves.values()].toReversed().flatMap((shelf) => {
      const waitMs = shelf.wantsIn(this.#deps.now())
      return waitMs === undefined ? [] : [{ shelf, waitMs }]
    })
  }

  async #openOne(shelf: Shelf): Promise<void> {
    const { options, directory, open, now, log } = this.#deps
    const { wish } = shelf
    const id = options.newId('sbx')
    const slotDir = join(directory, id)
    try {
      const user = options.makeSlot(slotDir)
      const limit = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(OPEN_TIMEOUT_MS)])
      const sandbox = await open(specOf(wish, { id, slotDir, user }), limit)
      const warm = { sandbox, slotDir, user, openedAt: now() }
      // The name may have come to mean another image since; or nobody wants it any more.
      const isWanted = sandbox.receipt.image.id === wish.image.id && this.#keeps(shelf)
      if (!isWanted) {
        shelf.failed(now())
        return await this.#discard(warm)
      }
      this.#counters.opened()
      shelf.put(warm)
      void sandbox.gone.then(() => shelf.drop(warm))
    } catch (error) {
      await rm(slotDir, { recursive: true, force: true })
      if (this.#closing.signal.aborted) return
      shelf.failed(now())
      this.#counters.failed()
      log.warn(`Cannot keep a sandbox warm: ${wordsOf(error)}`)
    }
  }

  #keeps(shelf: Shelf): boolean {
    return [...this.#shelves.values()].includes(shelf)
  }
}

interface Place {
  id: string
  slotDir: string
  user: SandboxUser
}

function specOf(wish: PoolWish, { id, slotDir, user }: Place): SandboxSpec {
  return {
    id,
    run: POOL_RUN,
    image: wish.image.name,
    confinement: wish.confinement,
    user,
    mounts: wish.mountsOf(slotDir),
    roots: [slotDir],
    readOnlyRoots: wish.readOnlyRoots,
    slot: slotDir,
    // Nothing is in it; the run that claims it begins to look.
    measure: undefined,
    acceptDegraded: false,
    meanwhile: () => {},
  }
}

/** Asks through the pipe for what only a living supervisor over a mounted slot can tell. */
async function isHealthy({ sandbox }: WarmSandbox, signal: AbortSignal): Promise<boolean> {
  const late = new Promise<undefined>((resolve) => {
    setTimeout(() => resolve(undefined), HEALTH_TIMEOUT_MS).unref()
  })
  if (signal.aborted) return false
  const answer = await Promise.race([
    sandbox.stat('/workspace').catch(() => undefined),
    sandbox.gone.then(() => undefined),
    late,
  ])
  return answer?.type === 'directory'
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
