import type { Marks, Shelf } from './pool-shelf.ts'

/** Counters since the process began, and what there is at this moment. */
export interface PoolStats extends Marks {
  /** Claims that were given a warm sandbox. */
  hits: number
  /** Claims that were not, and had to start one. */
  misses: number
  /** Warm sandboxes that did not answer when they were wanted. */
  unhealthy: number
  /** Warm sandboxes that were started. */
  opened: number
  /** Starts that failed. */
  failures: number
  kinds: { image: string; mode: string; waiting: number }[]
}

export interface PoolCounters {
  hit(): void
  missed(): void
  unhealthy(): void
  opened(): void
  failed(): void
  stats(shelves: readonly Shelf[]): PoolStats
}

export function createPoolCounters({ low, high }: Marks): PoolCounters {
  const counts = { hits: 0, misses: 0, unhealthy: 0, opened: 0, failures: 0 }
  return {
    hit: () => void (counts.hits += 1),
    missed: () => void (counts.misses += 1),
    unhealthy: () => void (counts.unhealthy += 1),
    opened: () => void (counts.opened += 1),
    failed: () => void (counts.failures += 1),
    stats: (shelves) => ({
      low,
      high,
      ...counts,
      kinds: shelves.map(({ wish, waiting }) => ({
        image: wish.image.name,
        mode: wish.confinement.mode,
        waiting: waiting.length,
      })),
    }),
  }
}
