/**
 * Starts the runs of schedules. A tick is written with what is to become of it in the transaction that
 * moves its schedule on, and its run is made in the transaction that marks the tick as started: so a
 * tick has one run at most, wherever the process dies, and a run is never made without its tick.
 */
import {
  type Clock,
  type CreateRun,
  OpenExecError,
  type Run,
  type RunRequest,
  type Schedule,
  TERMINAL_STATUSES,
  type Tenant,
} from '../../schema/index.ts'
import {
  changeTick,
  type Db,
  insertTick,
  lastRunOfSchedule,
  listDueSchedules,
  listOpenTicks,
  moveSchedule,
  pauseSchedule,
  removeOldTicks,
  statusOfRun,
  type State,
  type TickPlace,
} from '../../state/index.ts'
import type { QueuePlace } from '../submit.ts'
import type { Caller, Tokens } from '../tokens.ts'
import { cronTimes } from './cron-times.ts'

export interface SchedulerDeps {
  state: State
  now: Clock
  tokens: Tokens
  /** Throws `forbidden` for what the caller may not use any more. */
  requestOf(body: CreateRun, caller: Caller): RunRequest
  submit(
    tenant: Tenant,
    request: RunRequest,
    options: { signal: AbortSignal } & QueuePlace,
  ): Promise<{ run: Run }>
}

export interface Scheduler {
  /** Looks what is due, and starts it. */
  look(): void
  /** Settles when nothing is being started. */
  idle(): Promise<void>
  /** Ticks by what became of them. */
  counts(): Record<string, number>
  stop(): Promise<void>
}

/** How late a tick may be and still be on time, in `ms`. */
const ON_TIME_MS = 60_000
const TICKS_KEPT = 500

interface Due {
  tick: TickPlace
  schedule: Schedule
}

export function createScheduler(deps: SchedulerDeps): Scheduler {
  const { state } = deps
  const going = new Set<Promise<void>>()
  const counts: Record<string, number> = { started: 0, missed: 0, overlapped: 0, failed: 0 }
  const note = (outcome: string) => {
    if (outcome in counts) counts[outcome] = (counts[outcome] ?? 0) + 1
  }
  const stop = new AbortController()
  const fire = (due: Due) => {
    const work = start(deps, due, stop.signal).then(note)
    going.add(work)
    void work.finally(() => going.delete(work)).catch(() => {})
  }
  const idle = async () => {
    while (going.size > 0) await Promise.allSettled(going)
  }
  // What a server before this one had claimed and not started.
  for (const { tick, outcome, schedule } of listOpenTicks(state.db))
    if (outcome === 'claimed') {
      if (isOnTime(deps, tick) || schedule.missed === 'run_once') fire({ tick, schedule })
      else if (giveUp(deps, tick, { from: 'claimed', to: 'missed', detail: undefined }))
        note('missed')
    }
  return {
    look() {
      if (stop.signal.aborted) return
      for (const due of [...claimDue(deps, note), ...claimWaiting(deps)]) fire(due)
    },
    idle,
    counts: () => ({ ...counts }),
    stop: async () => {
      stop.abort()
      await idle()
    },
  }
}

function isOnTime({ now }: SchedulerDeps, { tickAt }: TickPlace): boolean {
  return now() - tickAt <= ON_TIME_MS
}

function giveUp(
  { state, now }: SchedulerDeps,
  tick: TickPlace,
  change: { from: 'claimed' | 'waiting'; to: 'missed' | 'failed'; detail: string | undefined },
): boolean {
  return changeTick(state.db, tick, { ...change, now: now() })
}

function claimDue(deps: SchedulerDeps, note: (outcome: string) => void): Due[] {
  const { state, now } = deps
  return listDueSchedules(state.db, { now: now() }).flatMap(({ id }) =>
    state.transact((tx) => {
      // Looked at again: somebody may have paused or removed it.
      const schedule = listDueSchedules(tx, { now: now() }).find((each) => each.id === id)
      if (schedule?.nextAt === undefined) return []
      const times = cronTimes(schedule.cron, schedule.zone)
      const tickAt = Math.max(schedule.nextAt, times.lastUntil(now()) ?? 0)
      moveSchedule(tx, id, times.after(tickAt))
      const tick = { scheduleId: id, tickAt }
      const outcome = outcomeOf(deps, tx, { tick, schedule })
      const { tenant } = schedule
      if (!insertTick(tx, tick, { tenant, outcome, detail: undefined, now: now() })) return []
      removeOldTicks(tx, id, { keep: TICKS_KEPT })
      note(outcome)
      return outcome === 'claimed' ? [{ tick, schedule }] : []
    }),
  )
}

function outcomeOf(
  deps: SchedulerDeps,
  tx: Db,
  { tick, schedule }: Due,
): 'claimed' | 'missed' | 'overlapped' | 'waiting' {
  if (!isOnTime(deps, tick) && schedule.missed === 'skip') return 'missed'
  const open = openTicksOf(tx, schedule)
  if (open.length === 0 && !isRunning(tx, schedule)) return 'claimed'
  const isQueued = open.some(({ outcome }) => outcome === 'waiting')
  return schedule.overlap === 'queue' && !isQueued ? 'waiting' : 'overlapped'
}

function openTicksOf(tx: Db, { id }: Schedule) {
  return listOpenTicks(tx).filter(({ tick: { scheduleId } }) => scheduleId === id)
}

function isRunning(tx: Db, { id }: Schedule): boolean {
  const run = lastRunOfSchedule(tx, id)
  const status = run && statusOfRun(tx, run)
  return status !== undefined && !TERMINAL_STATUSES.some((ended) => ended === status)
}

/** Ticks that waited for the run before them. */
function claimWaiting({ state, now }: SchedulerDeps): Due[] {
  const waiting = listOpenTicks(state.db).filter(({ outcome }) => outcome === 'waiting')
  return waiting.filter(({ tick, schedule }) =>
    state.transact((tx) => {
      const open = openTicksOf(tx, schedule)
      if (open.some(({ outcome }) => outcome === 'claimed') || isRunning(tx, schedule)) return false
      const change = { from: 'waiting', to: 'claimed', detail: undefined, now: now() } as const
      return schedule.pausedAt === undefined && changeTick(tx, tick, change)
    }),
  )
}

/** Never rejects: what keeps a run from starting is the outcome of its tick. */
async function start(deps: SchedulerDeps, due: Due, signal: AbortSignal): Promise<string> {
  const { schedule, tick } = due
  try {
    const caller = callerOf(deps, schedule)
    const { priority = 0, ttl } = schedule.request
    const place = { priority, ttlMs: ttl, key: undefined, tick }
    const request = deps.requestOf(schedule.request, caller)
    await deps.submit(schedule.tenant, request, { ...place, signal })
    return 'started'
  } catch (error) {
    // At the end of the server the tick stays claimed: the next one decides.
    const isEnding = error instanceof OpenExecError && error.code === 'unavailable'
    if (signal.aborted || isEnding) return 'left'
    const detail = error instanceof OpenExecError ? error.message : 'Internal error'
    giveUp(deps, tick, { from: 'claimed', to: 'failed', detail })
    return 'failed'
  }
}

/** Throws `forbidden` when its token has no right any more; the schedule is paused then. */
function callerOf({ state, now, tokens }: SchedulerDeps, schedule: Schedule): Caller {
  const { id, name, tenant, createdBy } = schedule
  const caller = tokens.callerOf(createdBy, tenant)
  if (caller !== undefined && caller.scopes.some((scope) => RIGHTS.has(scope))) return caller
  const reason = `Token ${createdBy} may not start runs any more`
  state.transact((tx) => {
    pauseSchedule(tx, id, { reason, now: now() })
    const by = { tenant, actor: 'server', scopes: [], requestId: undefined }
    tokens.record(by, { action: 'schedule.pause', subject: id, details: { name, reason } })
  })
  throw new OpenExecError('forbidden', reason)
}

const RIGHTS: ReadonlySet<string> = new Set(['runs:create', 'admin'])
