/**
 * What makes a server of the runtime: the queue, runs that are executed here, and what is done at the
 * start about runs that a server before this one did not finish.
 */
import { endIdleRun, endOfError } from '../blueprint/index.ts'
import {
  type Run,
  type RunId,
  type RunRequest,
  OpenExecError,
  type Tenant,
} from '../schema/index.ts'
import { declareDead, processOwner } from '../sandbox/index.ts'
import {
  dequeue,
  enqueue,
  findIdempotent,
  getRun,
  listUnfinishedRuns,
  readMeta,
  removeOldIdempotent,
  writeMeta,
} from '../state/index.ts'
import { atMost } from './at-most.ts'
import type { Capacity } from './capacity.ts'
import type { RuntimeDeps } from './create-runtime.ts'
import { hasEnded } from './execute.ts'
import { pauseInterrupted } from './maintain.ts'
import { type RunFigures, runFigures } from './run-figures.ts'
import { createQueue, type Queue, type QueueLimits } from './queue.ts'
import type { Runtime } from './runtime.ts'
import type { QueuePlace } from './submit.ts'

export interface ServiceOptions {
  capacity: Capacity
  limits: QueueLimits
  /** Aborts what is executed here. */
  signal: AbortSignal
  /** Throws `unavailable` when no run may be taken now, whatever there is room for. */
  mayTake(): void
  /** Told of each run that has ended here. */
  onEnd(figures: RunFigures): void
}

export interface Service {
  queue: Queue
  /**
   * A run with a place in the queue; `again` when its idempotency key named one already. Throws
   * `too_busy`, `unavailable` while the server ends, `conflict` for a key of another request.
   */
  submit(
    tenant: Tenant,
    request: RunRequest,
    options: { signal: AbortSignal } & QueuePlace,
  ): Promise<{ run: Run; again: boolean }>
  /** Gives a run that is to go on its place in the queue. */
  resume(run: Run): void
}

/** Requests whose repository and image are looked at at once. */
const PREPARED_AT_ONCE = 4
const KEY_AGE_MS = 24 * 3_600_000
/** What was interrupted goes on before what has not begun. */
const RESUMED_PRIORITY = 100

export function createService(
  deps: Omit<RuntimeDeps, 'tenant'> & { runtimeOf(tenant: Tenant): Runtime },
  { capacity, limits, signal, mayTake, onEnd }: ServiceOptions,
): Service {
  const { state, now } = deps
  const created = createQueue({
    state,
    now,
    capacity,
    limits,
    execute: async (id) => {
      await executeHere(deps, id, signal)
      if (hasEnded(getRun(state.db, id))) onEnd(runFigures(state, id))
    },
    end: (tx, id, end) => void endIdleRun(deps, tx, { id, end }),
  })
  const queue = guarded(created, mayTake)
  const prepare = atMost(PREPARED_AT_ONCE)
  const pending = new Map<string, Promise<Run>>()
  reconcile(deps)
  removeOldIdempotent(state.db, { before: now() - KEY_AGE_MS })
  queue.poke()
  const submitNew: Service['submit'] = async (tenant, request, place) => {
    queue.admit(tenant)
    // Not in one of the few places below, which a slow server elsewhere could fill.
    const brought = await deps.bringSource(tenant, request, place.signal)
    const run = await prepare(() => deps.runtimeOf(tenant).enqueue(brought, place))
    queue.poke()
    return { run, again: false }
  }
  return {
    queue,
    async submit(tenant, request, place) {
      if (place.key === undefined) return await submitNew(tenant, request, place)
      const { key, requestHash } = place.key
      const before = findIdempotent(state.db, tenant, key)
      if (before !== undefined) {
        if (before.requestHash !== requestHash) throw usedOtherwise(key)
        return { run: deps.runtimeOf(tenant).get(before.runId), again: true }
      }
      const name = `${tenant}\n${key}\n${requestHash}`
      const first = pending.get(name)
      if (first !== undefined) return { run: await first, again: true }
      const made = submitNew(tenant, request, place)
      const run = made.then((result) => result.run)
      run.catch(() => {})
      pending.set(name, run)
      return await made.finally(() => pending.delete(name))
    },
    resume: ({ id, tenant, startedAt }) => {
      const priority = startedAt === undefined ? 0 : RESUMED_PRIORITY
      enqueue(state.db, { runId: id, tenant, priority, enqueuedAt: now() })
      queue.poke()
    },
  }
}

function guarded(queue: Queue, mayTake: () => void): Queue {
  return {
    ...queue,
    admit: (tenant) => {
      mayTake()
      queue.admit(tenant)
    },
  }
}

function usedOtherwise(key: string): OpenExecError {
  return new OpenExecError(
    'conflict',
    `Cannot use Idempotency-Key "${key}": it was used for another request`,
    { hint: 'Give each request a key of its own', details: { field: 'Idempotency-Key' } },
  )
}

type Deps = Parameters<typeof createService>[0]

/** A run that cannot be executed here at all gets an end that says why, or it would wait for ever. */
async function executeHere(deps: Deps, id: RunId, signal: AbortSignal): Promise<void> {
  const { state } = deps
  const runtime = deps.runtimeOf(getRun(state.db, id).tenant)
  await runtime.execute(id, { signal })
  const run = getRun(state.db, id)
  if (hasEnded(run) || run.owner !== undefined || run.status === 'awaiting_approval') return
  const failure: unknown = deps.failures.get(id)
  if (failure === undefined) return
  const { detail } = endOfError(failure)
  const end = { status: 'failed', reason: 'orphaned', detail } as const
  state.transact((tx) => endIdleRun(deps, tx, { id, end }))
}

const FORMER_SERVERS_MAX = 200

/** One server has the state at a time, so those before this one are dead, wherever they lived. */
function takeOverFrom({ state }: Deps): void {
  const owner = processOwner()
  const former = (readMeta(state.db, 'server') ?? '').split('\n')
  const others = former.filter((each) => each !== '' && each !== owner)
  for (const each of others) declareDead(each)
  writeMeta(state.db, 'server', [owner, ...others].slice(0, FORMER_SERVERS_MAX).join('\n'))
}

/** Every run that a dead process left: it goes on, or has an end with a reason. */
function reconcile(deps: Deps): void {
  const { state, now } = deps
  takeOverFrom(deps)
  pauseInterrupted(deps)
  state.transact((tx) => {
    for (const { id, tenant, status, owner: has, reason, deadlineAt } of listUnfinishedRuns(tx)) {
      if (has !== undefined || status === 'awaiting_approval') continue
      if (status === 'paused' && reason !== 'orphaned') continue
      if (deadlineAt !== undefined && deadlineAt <= now()) {
        const detail = 'Its time was over before it could go on'
        endIdleRun(deps, tx, { id, end: { status: 'failed', reason: 'wall_limit', detail } })
        dequeue(tx, id)
      } else enqueue(tx, { runId: id, tenant, priority: RESUMED_PRIORITY, enqueuedAt: now() })
    }
  })
}
