import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../schema/index.ts'

interface Rounds {
  /** As in "Cannot …: why". */
  action: string
  /** After a round that failed, in `ms`. */
  restMs: number
  log: Log
  signal: AbortSignal
}

/**
 * Rounds of work, one at a time, each followed by the wait it gives back, in `ms`. A round that fails
 * is told, and tried again. Ends when the signal aborts; never throws.
 */
export async function keepDoing(
  { action, restMs, log, signal }: Rounds,
  round: () => Promise<number>,
): Promise<void> {
  while (!signal.aborted) {
    let ms = restMs
    try {
      ms = await round()
    } catch (error) {
      const why = error instanceof Error ? error.message : 'failed'
      if (!signal.aborted) log.warn(`Cannot ${action}: ${why}`)
    }
    // Nothing but the wait hears of the abort, and it says no more than the loop sees.
    await delay(ms, undefined, { signal, ref: false }).catch(() => {})
  }
}
