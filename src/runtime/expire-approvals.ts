/**
 * Requests that nobody answered in time end their runs, at the time they say and by themselves: when
 * a process opens the state, and on a timer in one that lives long.
 */
import { endIdleRun } from '../blueprint/index.ts'
import type { Log, RunId } from '../schema/index.ts'
import { type Approval, type Db, getRun, listApprovals, listRuns } from '../state/index.ts'
import type { RuntimeDeps } from './create-runtime.ts'
import { keepDoing } from './keep-doing.ts'
import type { Runtime } from './runtime.ts'

const RUNS_MAX = 1_000_000
/** A request made by another process is found within this time; none lives as short. */
const LOOK_MS = 30_000
/** Past the deadline by this much, so that a timer that fires early need not fire twice. */
const AFTER_MS = 5

/** Ends the runs whose time is over; gives back when the next one is (epoch `ms`). */
export function expireApprovals(
  deps: Pick<RuntimeDeps, 'state' | 'timeline' | 'now' | 'redact'>,
): number | undefined {
  const waiting = { tenant: undefined, before: undefined, status: 'awaiting_approval' } as const
  const ends = listRuns(deps.state.db, { ...waiting, limit: RUNS_MAX }).map(({ id }) =>
    deps.state.transact((tx) => expireRun(deps, tx, id)),
  )
  const ahead = ends.filter((at) => at !== undefined)
  return ahead.length === 0 ? undefined : Math.min(...ahead)
}

/** When the run's last open request expires; `undefined` when it has, or when nothing is open. */
function expireRun(
  deps: Parameters<typeof expireApprovals>[0],
  tx: Db,
  id: RunId,
): number | undefined {
  const { owner, status } = getRun(tx, id)
  const open = listApprovals(tx, id).filter(isOpen)
  // Who has taken the run over decides for itself.
  if (owner !== undefined || status !== 'awaiting_approval' || open.length === 0) return undefined
  const at = Math.max(...open.map(({ expiresAt }) => expiresAt))
  if (at > deps.now()) return at
  const detail = 'Nobody answered in time'
  endIdleRun(deps, tx, { id, end: { status: 'failed', reason: 'approval_expired', detail } })
  return undefined
}

/** An answer that was given and never used expires, too. */
function isOpen({ status }: Approval): boolean {
  return status !== 'consumed'
}

/** Ends when the signal aborts. Never throws. */
export async function keepDeadlines(
  { expire }: Pick<Runtime, 'expire'>,
  { log, signal, now }: { log: Log; signal: AbortSignal; now(): number },
): Promise<void> {
  const rounds = { action: 'look for expired approvals', restMs: LOOK_MS, log, signal }
  await keepDoing(rounds, async () => {
    const next = expire()
    return next === undefined ? LOOK_MS : Math.min(LOOK_MS, Math.max(0, next - now()) + AFTER_MS)
  })
}
