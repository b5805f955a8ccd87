/** Warm sandboxes that are as good as each other: one image, one confinement, the same mounts. */
import type { DockerSandbox } from './docker-sandbox.ts'
import type { Confinement } from '../schema/index.ts'
import type { SandboxMount } from './mount-check.ts'
import type { SandboxUser } from './slot-files.ts'

/** What a run wants of a warm sandbox. */
export interface PoolWish {
  image: { name: string; id: string }
  confinement: Confinement
  /** What is mounted of a slot; the same for every slot but for its path. */
  mountsOf(slotDir: string): readonly SandboxMount[]
  /** The repository's own object directories. */
  readOnlyRoots: readonly string[]
}

export interface WarmSandbox {
  sandbox: DockerSandbox
  slotDir: string
  user: SandboxUser
  /** Epoch `ms` */
  openedAt: number
}

export interface Marks {
  /** With fewer waiting it is filled. */
  low: number
  /** Up to here. */
  high: number
}

/** First pause after a failed start, in `ms`; doubled with each one. */
const PAUSE_MS = 1_000
const PAUSE_MAX_MS = 60_000

export class Shelf {
  readonly wish: PoolWish
  wishedAt: number
  #marks: Marks
  #waiting: WarmSandbox[] = []
  #filling = true
  #failures = 0
  #pausedUntil = 0

  constructor(wish: PoolWish, marks: Marks, now: number) {
    this.wish = wish
    this.wishedAt = now
    this.#marks = marks
  }

  get waiting(): readonly WarmSandbox[] {
    return this.#waiting
  }

  /** The one that has waited longest. */
  take(): WarmSandbox | undefined {
    const taken = this.#waiting.shift()
    this.#look()
    return taken
  }

  put(warm: WarmSandbox): void {
    this.#failures = 0
    this.#waiting.push(warm)
    this.#look()
  }

  /** Takes one out that cannot be handed out any more. */
  drop(warm: WarmSandbox): void {
    this.#waiting = this.#waiting.filter((each) => each !== warm)
    this.#look()
  }

  takeAll(): WarmSandbox[] {
    return this.#waiting.splice(0)
  }

  failed(now: number): void {
    this.#pausedUntil = now + Math.min(PAUSE_MAX_MS, PAUSE_MS * 2 ** this.#failures)
    this.#failures += 1
  }

  /** `ms` until it wants another one; `undefined` when it has enough. */
  wantsIn(now: number): number | undefined {
    return this.#filling ? Math.max(0, this.#pausedUntil - now) : undefined
  }

  #look(): void {
    const { low, high } = this.#marks
    if (this.#waiting.length < low) this.#filling = true
    if (this.#waiting.length >= high) this.#filling = false
  }
}
