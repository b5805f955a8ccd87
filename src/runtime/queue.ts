/**
 * The queue of a server: which run begins next, and how many at once. What waits is in the database,
 * so that nothing is forgotten; what is kept here is only who is being executed.
 *
 * Tenants take turns: the one with the fewest runs going on is next, among those the one served
 * longest ago. Within a tenant the highest priority goes first, then the oldest. So no tenant, and
 * no priority, keeps another tenant waiting.
 */
import type { RunEnd } from '../blueprint/index.ts'
import { type Clock, OpenExecError, type RunId, type Tenant } from '../schema/index.ts'
import {
  countQueued,
  type Db,
  dequeue,
  getRun,
  listExpiredQueued,
  nextQueued,
  type QueueEntry,
  type State,
} from '../state/index.ts'
import type { Capacity } from './capacity.ts'
import { hasEnded } from './execute.ts'

export interface QueueDeps {
  state: State
  now: Clock
  capacity: Capacity
  limits: QueueLimits
  /** Executes a run to its end; never rejects. */
  execute(id: RunId): Promise<void>
  /** Ends a run that nobody executes, in the caller's transaction. */
  end(tx: Db, id: RunId, end: RunEnd): void
}

export interface QueueLimits {
  /** Runs that may wait, of all tenants and of one. */
  waiting: number
  waitingOfTenant: number
  /** Runs of one tenant that are executed at once. */
  runningOfTenant: number
}

export interface Queue {
  /** Throws `too_busy` when no more may wait; asked before anything is prepared. */
  admit(tenant: Tenant): void
  /** Looks whether a run can begin. */
  poke(): void
  /** Begins no more runs. */
  stop(): void
  isStopped(): boolean
  /** Settles when no run is executed here any more. */
  idle(): Promise<void>
  counts(): { waiting: number; running: number; capacity: number }
}

const LOOK_MS = 1000
/** What a client is told to wait before it tries again, in seconds. */
const RETRY_AFTER_S = 5

export function createQueue(deps: QueueDeps): Queue {
  const { state, capacity, limits } = deps
  const running = new Map<RunId, { tenant: Tenant; done: Promise<void> }>()
  const served = new Map<Tenant, number>()
  let turn = 0
  let stopped = false
  const begin = ({ runId, tenant }: QueueEntry): void => {
    served.set(tenant, ++turn)
    const done = deps.execute(runId).finally(() => {
      running.delete(runId)
      poke()
    })
    running.set(runId, { tenant, done })
  }
  const poke = (): void => {
    if (stopped) return
    expireWaiting(deps)
    while (capacity.admits(running.size)) {
      const entry = takeNext(deps, { running, served })
      if (entry === undefined) return
      begin(entry)
    }
  }
  const timer = setInterval(() => guarded(poke), LOOK_MS)
  return {
    admit: (tenant) => {
      const waiting = countQueued(state.db)
      const all = [...waiting.values()].reduce((sum, each) => sum + each, 0)
      if (stopped)
        throw new OpenExecError('unavailable', 'Cannot take a run: the server is ending', {
          details: { retry_after: RETRY_AFTER_S },
        })
      if (all < limits.waiting && (waiting.get(tenant) ?? 0) < limits.waitingOfTenant) return
      throw new OpenExecError('too_busy', `Cannot take a run: ${all} runs wait already`, {
        hint: 'Try again later; Retry-After says when',
        details: { retry_after: RETRY_AFTER_S },
      })
    },
    poke: () => guarded(poke),
    stop: () => {
      stopped = true
      clearInterval(timer)
    },
    isStopped: () => stopped,
    idle: async () => {
      while (running.size > 0) await Promise.all([...running.values()].map(({ done }) => done))
    },
    counts: () => ({
      waiting: [...countQueued(state.db).values()].reduce((sum, each) => sum + each, 0),
      running: running.size,
      capacity: capacity.max,
    }),
  }
}

/** A database that cannot be read just now is looked at again a second later. */
function guarded(look: () => void): void {
  try {
    look()
  } catch (error) {
    if (!(error instanceof OpenExecError)) throw error
  }
}

interface Turns {
  running: ReadonlyMap<RunId, { tenant: Tenant }>
  served: ReadonlyMap<Tenant, number>
}

/** Takes the next run out of the queue; those that ended while they waited are passed over. */
function takeNext(
  { state, limits }: QueueDeps,
  { running, served }: Turns,
): QueueEntry | undefined {
  return state.transact((tx) => {
    const going = new Map<Tenant, number>()
    for (const { tenant } of running.values()) going.set(tenant, (going.get(tenant) ?? 0) + 1)
    const tenants = [...countQueued(tx).keys()]
      .filter((tenant) => (going.get(tenant) ?? 0) < limits.runningOfTenant)
      .sort(
        (a, b) =>
          (going.get(a) ?? 0) - (going.get(b) ?? 0) || (served.get(a) ?? 0) - (served.get(b) ?? 0),
      )
    for (const tenant of tenants)
      for (;;) {
        // A run that is paused and resumed while it is still being let go of keeps its place.
        const entry = nextQueued(tx, tenant, { except: [...running.keys()] })
        if (entry === undefined) break
        dequeue(tx, entry.runId)
        if (!hasEnded(getRun(tx, entry.runId))) return entry
      }
    return undefined
  })
}

function expireWaiting({ state, now, end }: QueueDeps): void {
  if (listExpiredQueued(state.db, { now: now() }).length === 0) return
  state.transact((tx) => {
    for (const { runId } of listExpiredQueued(tx, { now: now() })) {
      dequeue(tx, runId)
      const detail = 'It waited longer for its beginning than it was allowed to'
      if (!hasEnded(getRun(tx, runId)))
        end(tx, runId, { status: 'failed', reason: 'queue_expired', detail })
    }
  })
}
