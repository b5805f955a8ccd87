/** The transactions that begin, pause and end a run. `run_completed` is the last event it gets. */
import {
  type JsonObject,
  OpenExecError,
  type Run,
  type RunId,
  type RunStatus,
  type Step,
  TERMINAL_STATUSES,
} from '../schema/index.ts'
import {
  completeStep,
  completeToolCall,
  type Db,
  getRun,
  listSteps,
  listToolCalls,
  removeCommands,
  transitionRun,
} from '../state/index.ts'
import { findCutAttempt } from './cut-attempt.ts'
import type { EngineDeps } from './engine.ts'
import type { RunEnd } from './outcome.ts'
import { plainText } from './plain-text.ts'

type Deps = Pick<EngineDeps, 'state' | 'timeline' | 'now' | 'redact'>

const STARTABLE: RunStatus[] = ['queued', 'paused', 'awaiting_approval', 'running']

/**
 * Makes the run `running` and gives back its deadline (epoch `ms`). Attempts that a process left open
 * when it died are closed: they did not happen; but one whose command may still run stays open until
 * `settleCut()`. Throws `conflict` for a run that has ended.
 */
export function beginRun(deps: Deps, { id, blueprint }: Run, wallMs: number): number {
  const { state, timeline, now } = deps
  return state.transact((tx) => {
    const run = getRun(tx, id)
    const at = now()
    const deadlineAt = deadlineOf(run, { at, wallMs, steps: listSteps(tx, id) })
    const patch = { status: 'running', reason: null, detail: null, deadlineAt } as const
    const startedAt = run.startedAt ?? at
    if (!transitionRun(tx, id, { from: STARTABLE, patch: { ...patch, startedAt } }))
      throw new OpenExecError(
        'conflict',
        `Cannot execute run "${id}": it has ended (${run.status})`,
      )
    if (run.startedAt === undefined) {
      timeline.append(tx, id, { type: 'run_started', payload: { blueprint } })
      return deadlineAt
    }
    const cut = findCutAttempt(tx, id) === undefined ? closeCut(deps, tx, id) : []
    const payload = { was: run.status, cut_short: cut.map(({ stage }) => stage) }
    timeline.append(tx, id, { type: 'run_resumed', payload })
    if (cut.length > 0) tellRecovered(deps, tx, { id, steps: cut, reattached: false })
    return deadlineAt
  })
}

/** What became of the attempt that `beginRun()` left open: it goes on, or it did not happen. */
export function settleCut(deps: Deps, id: RunId, goesOn: boolean): void {
  const open = listSteps(deps.state.db, id).filter((step) => step.verdict === undefined)
  if (open.length === 0) return
  deps.state.transact((tx) => {
    const steps = goesOn ? open : closeCut(deps, tx, id)
    tellRecovered(deps, tx, { id, steps, reattached: goesOn })
  })
}

function closeCut(deps: Deps, tx: Db, id: RunId): Step[] {
  return closeOpenSteps(deps, tx, { id, verdict: 'error', reason: 'recovered' })
}

function tellRecovered(
  { timeline }: Deps,
  tx: Db,
  { id, steps, reattached }: { id: RunId; steps: readonly Step[]; reattached: boolean },
): void {
  for (const { stage, attempt } of steps)
    timeline.append(tx, id, { type: 'run_recovered', stage, attempt, payload: { reattached } })
}

/** The deadline goes on while a run is paused; the time a person took to answer does not count. */
function deadlineOf(
  { status, deadlineAt }: Run,
  { at, wallMs, steps }: { at: number; wallMs: number; steps: readonly Step[] },
): number {
  if (deadlineAt === undefined) return at + wallMs
  if (status !== 'awaiting_approval') return deadlineAt
  return deadlineAt + Math.max(0, at - (steps.at(-1)?.endedAt ?? at))
}

/** How a run that this process executes ends, or stops for a person. */
export function endRun(deps: Deps, id: RunId, end: RunEnd): void {
  deps.state.transact((tx) => {
    // Left open where the run ended before it was looked for.
    closeCut(deps, tx, id)
    if (!writeEnd(deps, tx, { id, from: ['running'], end }))
      throw new Error(`Cannot end run "${id}": nobody executes it`)
  })
}

/**
 * Ends a run that nobody executes, in the caller's transaction; open attempts end with it. False when
 * it has ended already.
 */
export function endIdleRun(deps: Deps, tx: Db, { id, end }: { id: RunId; end: RunEnd }): boolean {
  const verdict = end.status === 'cancelled' ? 'cancelled' : 'error'
  closeOpenSteps(deps, tx, { id, verdict, reason: end.reason })
  return writeEnd(deps, tx, { id, from: STARTABLE, end })
}

/** Stops a run whose process died, in the caller's transaction; what it left open is closed on resume. */
export function pauseIdleRun(deps: Deps, tx: Db, id: RunId): boolean {
  const detail = 'The process that executed the run died'
  const end = { status: 'paused', reason: 'orphaned', detail } as const
  return writeEnd(deps, tx, { id, from: ['queued', 'running'], end })
}

/** What could not be removed after a run; its verdict stands. */
export function tellLeftBehind({ timeline, redact }: Deps, id: RunId, error: unknown): void {
  const why = plainText(redact(error instanceof Error ? error.message : String(error)))
  const message = 'Something of the run could not be removed: run `openexec gc`'
  timeline.publish(id, {
    type: 'notice',
    payload: { kind: 'left_behind', message },
    volatile: { why },
  })
}

interface Ending {
  id: RunId
  from: readonly RunStatus[]
  end: RunEnd
}

/** Attempts listed in the last event; all of them have events of their own. */
const STAGES_SHOWN_MAX = 500

function writeEnd({ timeline, now, redact }: Deps, tx: Db, { id, from, end }: Ending): boolean {
  const { status, reason } = end
  const final = TERMINAL_STATUSES.some((terminal) => terminal === status)
  const detail = end.detail === undefined ? null : plainText(redact(end.detail))
  const patch = { status, reason: reason ?? null, detail, ...(final && { endedAt: now() }) }
  if (!transitionRun(tx, id, { from, patch })) return false
  const stages = listSteps(tx, id).slice(-STAGES_SHOWN_MAX)
  const payload: JsonObject = {
    status,
    reason: reason ?? null,
    tree: getRun(tx, id).headTree ?? null,
    stages: stages.map(
      ({ stage, attempt, verdict }) => `${stage}.${attempt}: ${verdict ?? 'open'}`,
    ),
  }
  const type = final ? 'run_completed' : 'run_paused'
  timeline.append(tx, id, { type, payload, volatile: { detail } })
  return true
}

/** Gives back the attempts that were open; each gets its event, so that none stays without an end. */
function closeOpenSteps(
  { timeline, now }: Deps,
  tx: Db,
  { id, verdict, reason }: { id: RunId; verdict: 'error' | 'cancelled'; reason: RunEnd['reason'] },
): Step[] {
  const open = listSteps(tx, id).filter((step) => step.verdict === undefined)
  if (open.length === 0) return []
  for (const call of listToolCalls(tx, id))
    if (call.verdict === undefined) completeToolCall(tx, call.id, { verdict, endedAt: now() })
  for (const { id: step, stage, attempt, startedAt } of open) {
    const endedAt = Math.max(startedAt, now())
    completeStep(tx, step, { verdict, endedAt, ...(reason !== undefined && { reason }) })
    removeCommands(tx, step)
    timeline.append(tx, id, {
      type: 'step_completed',
      stage,
      attempt,
      payload: {
        verdict,
        ...(reason !== undefined && { reason }),
        outputs: [],
      },
      volatile: { duration_ms: endedAt - startedAt },
    })
  }
  return open
}
