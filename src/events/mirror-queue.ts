import type { Log, RunId } from '../schema/index.ts'
import { type MirrorOptions, updateMirror } from './mirror.ts'

/** `ms` in which changes of many runs are gathered into one pass. */
const DELAY_MS = 20

export interface MirrorQueue {
  /** The run's file will be brought up to date soon. */
  add(runId: RunId): void
  /** Brings all files up to date at once. */
  flush(): void
}

/** A failing file never fails the run: it is warned of once, and caught up by the next pass. */
export function createMirrorQueue(options: MirrorOptions, log: Log): MirrorQueue {
  const waiting = new Set<RunId>()
  const warned = new Set<RunId>()
  let timer: NodeJS.Timeout | undefined
  const flush = (): void => {
    clearTimeout(timer)
    timer = undefined
    for (const runId of waiting) {
      try {
        updateMirror(options, runId)
        warned.delete(runId)
      } catch (error) {
        if (!warned.has(runId))
          log.warn(`Cannot write the timeline file of run "${runId}": ${String(error)}`)
        warned.add(runId)
      }
    }
    waiting.clear()
  }
  return {
    add: (runId) => {
      waiting.add(runId)
      timer ??= setTimeout(flush, DELAY_MS).unref()
    },
    flush,
  }
}
