/**
 * Executes runs in this process. A run belongs to one process at a time, and who may take it is
 * decided here.
 */
import { OpenExecError, type Run, type RunId, TERMINAL_STATUSES } from '../schema/index.ts'
import { traced } from '../events/index.ts'
import { ownerState, processOwner } from '../sandbox/index.ts'
import { claimRun, getRun, listApprovals, releaseRun } from '../state/index.ts'
import type { RuntimeDeps } from './create-runtime.ts'

/**
 * Runs that this process executes just now. One set for the whole process, as the owner that a run's
 * row names is the process and not one of its states.
 */
const executing = new Set<RunId>()

export function isExecutedHere(id: RunId): boolean {
  return executing.has(id)
}

/** Takes the run over, unless a living process has it; gives it up whatever happens. */
export async function executeRun(deps: RuntimeDeps, id: RunId, caller: AbortSignal): Promise<Run> {
  const { state, engine } = deps
  const run = getRun(state.db, id)
  const owner = processOwner()
  if (!isFree(run) || !claimRun(state.db, id, { owner, expectedOwner: run.owner }))
    throw refusal(getRun(state.db, id))
  executing.add(id)
  try {
    return await traced(
      // Not of the request that happened to make room for it.
      { name: 'run', facts: { 'openexec.run.id': id }, partOf: 'nothing' },
      async (add) => {
        const ended = await engine.executeRun(id, caller)
        const { blueprint, status, reason } = ended
        add({ 'openexec.blueprint': blueprint, 'openexec.status': status, 'error.type': reason })
        return ended
      },
    )
  } finally {
    executing.delete(id)
    releaseRun(state.db, id, { owner })
  }
}

/**
 * The run, if a process may take it over now. Throws `conflict` when it has ended or somebody
 * executes it, `approval_required` while a person has not answered.
 */
export function resumableRun({ state, now }: RuntimeDeps, id: RunId): Run {
  const run = getRun(state.db, id)
  if (!isFree(run) || hasEnded(run)) throw refusal(run)
  const asked = listApprovals(state.db, id).some(
    ({ status, expiresAt }) => status === 'pending' && expiresAt > now(),
  )
  if (run.status === 'awaiting_approval' && asked)
    throw new OpenExecError(
      'approval_required',
      `Cannot resume run "${id}": it waits for an approval (${run.detail ?? 'see its events'})`,
      { hint: `Answer with \`openexec approve ${id}\` or \`openexec reject ${id}\`` },
    )
  return run
}

export function hasEnded({ status }: Run): boolean {
  return TERMINAL_STATUSES.some((terminal) => terminal === status)
}

function isFree({ owner }: Run): boolean {
  return owner === undefined || ownerState(owner) === 'dead'
}

function refusal(run: Run): OpenExecError {
  const { id, status, owner } = run
  if (hasEnded(run))
    return new OpenExecError('conflict', `Cannot execute run "${id}": it has ended (${status})`, {
      hint: `Look at it with \`openexec show ${id}\`, or start another one with \`openexec run\``,
    })
  const pid = owner?.split(':')[0] ?? 'unknown'
  return new OpenExecError('conflict', `Cannot execute run "${id}": process ${pid} executes it`, {
    hint: `Follow it with \`openexec logs -f ${id}\`, or stop it with \`openexec cancel ${id}\``,
  })
}
