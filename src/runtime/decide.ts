import { OpenExecError, type RunId } from '../schema/index.ts'
import { type Approval, decideApproval, listApprovals } from '../state/index.ts'
import type { RuntimeDeps } from './create-runtime.ts'
import type { ApprovalDecision } from './runtime.ts'

/** Records a person's word on what a run asks for. The run goes on when it is resumed. */
export function decideRun(deps: RuntimeDeps, id: RunId, decision: ApprovalDecision): void {
  const { state, timeline, now } = deps
  state.transact((tx) => {
    const open = listApprovals(tx, id).filter(
      ({ status, expiresAt }) => status === 'pending' && expiresAt > now(),
    )
    const { id: approval, stage, requestHash, request } = chosen(open, id, decision.approval)
    const { approve, reason } = decision
    const vote = approve ? ('approved' as const) : ('rejected' as const)
    decideApproval(tx, approval, { decision: vote, reason, by: 'operator', now: now() })
    timeline.append(tx, id, {
      type: 'approval_decided',
      stage,
      payload: { decision: vote, reason: reason ?? null, request },
      volatile: { approval, request_hash: requestHash },
    })
  })
}

function chosen(open: readonly Approval[], id: RunId, prefix: string | undefined): Approval {
  const fitting = open.filter((each) => prefix === undefined || each.id.startsWith(prefix))
  const [only, ...others] = fitting
  if (only === undefined)
    throw new OpenExecError('not_found', `Cannot decide for run "${id}": nothing is asked`)
  if (others.length === 0) return only
  throw new OpenExecError(
    'bad_request',
    `Cannot decide for run "${id}": ${fitting.length} requests are open (${fitting.map((each) => each.id).join(', ')})`,
    { hint: 'Name one of them' },
  )
}
