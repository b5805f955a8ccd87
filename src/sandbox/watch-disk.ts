/**
 * A directory of the host has no quota, so the orchestrator looks how much a sandbox has written
 * and ends it at the limit. Soft by nature: between two looks more can be written, and the receipt
 * says so.
 */
import type { Limits, Log } from '../schema/index.ts'

export interface DiskUse {
  /** Really allocated. */
  bytes: number
  inodes: number
}

export interface DiskWatch {
  /** Adds up the workspace, no link followed; must end soon after the abort. */
  measure(signal: AbortSignal): Promise<DiskUse>
  limits: Pick<Limits, 'disk' | 'inodes'>
  /** Called once, when a limit is passed. */
  onLimit(use: DiskUse): void
  log: Log
  signal: AbortSignal
}

const INTERVAL_MS = 2_000
/** A large workspace is looked at less often: never more than a tenth of the time. */
const REST_FACTOR = 9

/** Looks until the signal aborts or a limit is passed. Never throws. */
export async function watchDisk(watch: DiskWatch): Promise<void> {
  const { limits, signal } = watch
  for (let wait = INTERVAL_MS; await elapsed(wait, signal);) {
    const started = performance.now()
    const use = await measured(watch)
    if (signal.aborted) return
    if (use !== undefined && (use.bytes > limits.disk || use.inodes > limits.inodes)) {
      watch.onLimit(use)
      return
    }
    wait = Math.max(INTERVAL_MS, (performance.now() - started) * REST_FACTOR)
  }
}

async function measured({ measure, log, signal }: DiskWatch): Promise<DiskUse | undefined> {
  try {
    return await measure(signal)
  } catch (error) {
    // Files come and go under the walk; the next look sees them.
    if (!signal.aborted) log.warn(`Cannot measure the workspace: ${String(error)}`)
    return undefined
  }
}

/** `false` as soon as the signal aborts. */
function elapsed(ms: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(false)
    const done = (whole: boolean) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
      resolve(whole)
    }
    const stop = () => done(false)
    const timer = setTimeout(done, ms, true)
    // Watching alone is no reason to keep the process.
    timer.unref()
    signal.addEventListener('abort', stop, { once: true })
  })
}
