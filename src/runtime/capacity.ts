/** How many runs this machine carries at once, by what it has and by what is free just now. */
import { availableParallelism, freemem, totalmem } from 'node:os'

export interface Capacity {
  /** The most there may be. */
  readonly max: number
  /** Whether one more may begin while `running` are going on. */
  admits(running: number): boolean
}

export interface Machine {
  cpus: number
  /** Bytes */
  memory: number
  /** Bytes that are free now. */
  free(): number
}

/** A run waits for its commands most of the time. */
const RUNS_PER_CPU = 4
/** What a run is reckoned with: orchestrator, supervisor, and a usual command. */
const BYTES_PER_RUN = 384 * 1024 * 1024
const RUNS_MAX = 256

/** `wanted` is the operator's own number; `undefined` measures. */
export function createCapacity(machine: Machine, wanted: number | undefined): Capacity {
  const measured = Math.min(
    machine.cpus * RUNS_PER_CPU,
    Math.floor(machine.memory / BYTES_PER_RUN),
    RUNS_MAX,
  )
  const max = wanted ?? Math.max(1, measured)
  return {
    max,
    // One run is always carried, or a machine with little memory would carry none.
    admits: (running) =>
      running < max && (running === 0 || wanted !== undefined || machine.free() > BYTES_PER_RUN),
  }
}

/** The limits of a control group count, where there are some. */
export function thisMachine(): Machine {
  const limit = process.constrainedMemory()
  const total = totalmem()
  return {
    cpus: availableParallelism(),
    memory: limit > 0 && limit < total ? limit : total,
    free: () => (limit > 0 && limit < total ? process.availableMemory() : available()),
  }
}

/** Node's own figure counts what the kernel would give back from its caches. */
function available(): number {
  return Math.max(process.availableMemory(), freemem())
}
