import { shortResource } from '../actions/index.ts'
import {
  ApprovalId,
  type JsonObject,
  OpenExecError,
  Resource,
  type Run,
  type RunId,
} from '../schema/index.ts'
import {
  type Approval,
  decideApproval,
  getRun,
  listApprovals,
  replaceApproval,
} from '../state/index.ts'
import type { RuntimeDeps } from './create-runtime.ts'
import { editRequest, frozenFor } from './edit-request.ts'
import { hasEnded } from './execute.ts'
import type { ApprovalDecision } from './runtime.ts'

/**
 * Records a person's word on what a run asks for. The run goes on when it is resumed. Throws
 * `conflict` for a run that has ended and for a request that has expired, `policy_denied` for an edit
 * that policy blocks.
 */
export async function decideRun(
  deps: RuntimeDeps,
  id: RunId,
  decision: ApprovalDecision,
): Promise<void> {
  const { state, timeline, now } = deps
  const { edit, approve, reason } = decision
  if (edit !== undefined && !approve)
    throw new OpenExecError('bad_request', 'Cannot edit what is refused', {
      hint: 'Approve with an edit, or reject without one',
    })
  const frozen = edit && (await frozenFor(deps, getRun(state.db, id)))
  state.transact((tx) => {
    refuseEnded(getRun(tx, id))
    const pending = listApprovals(tx, id).filter(({ status }) => status === 'pending')
    const asked = chosen(pending, id, { prefix: decision.approval, now: now() })
    const { id: approval, stage, requestHash, request } = asked
    const vote = approve ? ('approved' as const) : ('rejected' as const)
    const by = 'operator'
    const edited = edit && frozen && editRequest(id, asked, { edit, frozen })
    decideApproval(tx, approval, { decision: vote, reason, by, now: now() })
    if (edited !== undefined)
      replaceApproval(tx, asked, {
        ...edited,
        id: ApprovalId.parse(deps.newId('appr')),
        vote: { reason, by, now: now() },
      })
    timeline.append(tx, id, {
      type: 'approval_decided',
      stage,
      payload: {
        decision: vote,
        reason: reason ?? null,
        request: shortRequest(request),
        ...(edited !== undefined && { edited: shortRequest(edited.asked), edited_by: by }),
      },
      volatile: {
        approval,
        request_hash: requestHash,
        ...(edited !== undefined && { edited_request_hash: edited.requestHash }),
      },
    })
  })
}

function refuseEnded(run: Run): void {
  if (!hasEnded(run)) return
  const why = run.reason === 'approval_expired' ? ': nobody answered in time' : ''
  throw new OpenExecError(
    'conflict',
    `Cannot decide for run "${run.id}": it has ended (${run.status})${why}`,
  )
}

function chosen(
  pending: readonly Approval[],
  id: RunId,
  { prefix, now }: { prefix: string | undefined; now: number },
): Approval {
  const named = pending.filter((each) => prefix === undefined || each.id.startsWith(prefix))
  const [only, ...others] = named.filter(({ expiresAt }) => expiresAt > now)
  if (only === undefined && named.length > 0)
    throw new OpenExecError('conflict', `Cannot decide for run "${id}": its request has expired`, {
      hint: `Let it ask again with \`openexec resume ${id}\``,
    })
  if (only === undefined)
    throw new OpenExecError('not_found', `Cannot decide for run "${id}": nothing is asked`)
  if (others.length === 0) return only
  const ids = [only, ...others].map((each) => each.id)
  throw new OpenExecError(
    'bad_request',
    `Cannot decide for run "${id}": ${ids.length} requests are open (${ids.join(', ')})`,
    { hint: 'Name one of them' },
  )
}

/** A whole argv may be larger than an event. */
function shortRequest(request: JsonObject): JsonObject {
  const resource = Resource.safeParse(request['resource'])
  return resource.success ? { ...request, resource: shortResource(resource.data) } : request
}
