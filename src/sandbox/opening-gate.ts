/**
 * How many sandboxes may start at once. A start is mostly processor time of the engine, so more at
 * once are not quicker, only each of them slower and nearer to its time limit. First come, first
 * served.
 */
import { availableParallelism } from 'node:os'
import { cancelledError } from './engine-call.ts'

export interface OpeningGate {
  /** Sandboxes that start or wait for their turn. */
  readonly busy: number
  /** `work` in its turn. Throws `cancelled` when the signal aborts before. */
  pass<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T>
}

const AT_ONCE_MIN = 4

export function createOpeningGate(atOnce = defaultAtOnce()): OpeningGate {
  const waiting: (() => void)[] = []
  let passing = 0
  const turn = async (signal: AbortSignal): Promise<void> => {
    if (signal.aborted) throw cancelledError('open a sandbox', signal)
    if (passing < atOnce) {
      passing += 1
      return
    }
    await new Promise<void>((resolve, reject) => {
      const abort = () => {
        waiting.splice(waiting.indexOf(enter), 1)
        reject(cancelledError('open a sandbox', signal))
      }
      // Whoever leaves hands its place over: the count stays.
      const enter = () => {
        signal.removeEventListener('abort', abort)
        resolve()
      }
      waiting.push(enter)
      signal.addEventListener('abort', abort, { once: true })
    })
  }
  return {
    get busy() {
      return passing + waiting.length
    },
    async pass(work, signal) {
      await turn(signal)
      try {
        return await work()
      } finally {
        const next = waiting.shift()
        if (next === undefined) passing -= 1
        else next()
      }
    },
  }
}

function defaultAtOnce(): number {
  return Math.max(AT_ONCE_MIN, 2 * availableParallelism())
}
