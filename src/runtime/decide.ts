import { shortResource } from '../actions/index.ts'
import { type JsonObject, OpenExecError, Resource, type RunId } from '../schema/index.ts'
import { type Approval, decideApproval, getRun, listApprovals } from '../state/index.ts'
import type { RuntimeDeps } from './create-runtime.ts'
import { hasEnded } from './execute.ts'
import type { ApprovalDecision } from './runtime.ts'

/**
 * Records a person's word on what a run asks for. The run goes on when it is resumed. Throws
 * `conflict` for a run that has ended and for a request that has expired.
 */
export function decideRun(deps: RuntimeDeps, id: RunId, decision: ApprovalDecision): void {
  const { state, timeline, now } = deps
  state.transact((tx) => {
    const run = getRun(tx, id)
    if (hasEnded(run))
      throw new OpenExecError(
        'conflict',
        `Cannot decide for run "${id}": it has ended (${run.status})`,
      )
    const pending = listApprovals(tx, id).filter(({ status }) => status === 'pending')
    const {
      id: approval,
      stage,
      requestHash,
      request,
    } = chosen(pending, id, {
      prefix: decision.approval,
      now: now(),
    })
    const { approve, reason } = decision
    const vote = approve ? ('approved' as const) : ('rejected' as const)
    decideApproval(tx, approval, { decision: vote, reason, by: 'operator', now: now() })
    timeline.append(tx, id, {
      type: 'approval_decided',
      stage,
      payload: { decision: vote, reason: reason ?? null, request: shortRequest(request) },
      volatile: { approval, request_hash: requestHash },
    })
  })
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
