/**
 * Wakes readers of the timeline: at once for what this process commits, and within `POLL_MS` for
 * what another one does, by watching SQLite's data version. It carries no data: a woken reader looks
 * into the table, so a needless ring costs one query and a missed one cannot be.
 */
import type { RunId } from '../schema/index.ts'
import type { State } from '../state/index.ts'

const POLL_MS = 50
/** Rung for whatever run there is. */
export const EVERY_RUN = '*'
type Rung = RunId | typeof EVERY_RUN

interface ArmedBell {
  /** Settles at the next ring of its run, at a commit elsewhere, or when disarmed; never rejects. */
  rung: Promise<void>
  disarm(): void
}

export interface Bell {
  /** Whether nobody may read any more: the state is being closed. */
  readonly over: boolean
  arm(runId: Rung): ArmedBell
  ring(runId: RunId): void
  /** Wakes everybody and stops watching. */
  [Symbol.dispose](): void
}

export function createBell(state: Pick<State, 'dataVersion'>): Bell {
  const armed = new Map<Rung, Set<() => void>>()
  let timer: NodeJS.Timeout | undefined
  let seen = 0
  let over = false
  const look = (): void => {
    const version = state.dataVersion()
    if (version === seen) return
    seen = version
    wakeAll()
  }
  const watch = (): void => {
    if (timer !== undefined) return
    seen = state.dataVersion()
    timer = setInterval(look, POLL_MS)
  }
  const rest = (): void => {
    clearInterval(timer)
    timer = undefined
  }
  const wake = (runId: Rung): void => {
    for (const disarm of armed.get(runId) ?? []) disarm()
  }
  const wakeAll = (): void => {
    for (const runId of armed.keys()) wake(runId)
  }
  return {
    get over() {
      return over
    },
    arm: (runId) => {
      watch()
      const settlers = armed.get(runId) ?? new Set()
      armed.set(runId, settlers)
      let disarm = (): void => {}
      const rung = new Promise<void>((resolve) => {
        disarm = () => {
          settlers.delete(disarm)
          if (settlers.size === 0 && armed.get(runId) === settlers) armed.delete(runId)
          if (armed.size === 0) rest()
          resolve()
        }
      })
      settlers.add(disarm)
      return { rung, disarm }
    },
    ring: (runId) => {
      wake(runId)
      wake(EVERY_RUN)
    },
    [Symbol.dispose]: () => {
      over = true
      wakeAll()
      rest()
    },
  }
}
