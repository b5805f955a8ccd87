/**
 * The one place where permission is asked. Every decision is an event; a request that needs a
 * person becomes a durable approval, bound to exactly this request, used once.
 */
import {
  type ApprovalId,
  hashJson,
  type JsonObject,
  type NewEvent,
  type NewId,
  type PolicyDecision,
  type PolicyRequest,
  type RunId,
  type Sha256,
} from '../schema/index.ts'
import { evaluate, type Policy } from '../policy/index.ts'
import {
  consumeApproval,
  type Db,
  findApproval,
  insertApproval,
  type State,
} from '../state/index.ts'

/** How long a person has to answer. */
const APPROVAL_TTL_MS = 24 * 3_600_000

export interface GateDeps {
  state: State
  policy: Policy
  policyHash: Sha256
  now(): number
  newId: NewId
  /** Appends within the transaction it is given. */
  append(tx: Db, event: NewEvent): void
}

export interface GateScope {
  runId: RunId
  attempt: number
  /** The tree the request is about: an approval of a script is no approval of another one. */
  tree: string
}

/** Decides, records, and turns a need for approval into allow where a person has said yes. */
export function askPolicy(
  deps: GateDeps,
  request: PolicyRequest,
  scope: GateScope,
): PolicyDecision {
  const decided = evaluate(deps.policy, request)
  return deps.state.transact((tx) => {
    const decision =
      decided.decision === 'require_approval' ? resolve(deps, tx, { request, decided, scope }) : decided
    deps.append(tx, {
      type: 'policy_check',
      stage: request.stage,
      attempt: scope.attempt,
      payload: {
        subject: request.subject,
        capability: request.capability,
        resource: request.resource,
        mode: request.mode,
        decision: decision.decision,
        level: decision.level,
        matched: decision.matched,
        reason: decision.reason,
      },
    })
    return decision
  })
}

interface Pending {
  request: PolicyRequest
  decided: PolicyDecision
  scope: GateScope
}

function resolve(deps: GateDeps, tx: Db, pending: Pending): PolicyDecision {
  const { request, decided, scope } = pending
  const { stage, subject, capability, resource } = request
  const asked: JsonObject = { stage, subject, capability, resource, tree: scope.tree }
  const requestHash = hashJson({ ...asked, run: scope.runId, policy: deps.policyHash })
  const now = deps.now()
  const found = findApproval(tx, { runId: scope.runId, requestHash })
  if (found?.status === 'approved' && consumeApproval(tx, found.id, { requestHash, now }))
    return {
      ...decided,
      decision: 'allow',
      matched: [...decided.matched, `approval:${found.id}`].sort(),
      reason: `Approved by ${found.decidedBy ?? 'a person'}`,
    }
  if (found?.status === 'rejected')
    return {
      ...decided,
      decision: 'block',
      matched: [...decided.matched, `approval:${found.id}`].sort(),
      reason: `Rejected by ${found.decidedBy ?? 'a person'}${found.reason === undefined ? '' : `: ${found.reason}`}`,
    }
  if (found?.status === 'pending' && found.expiresAt > now) return decided
  const id = deps.newId('appr') as ApprovalId
  insertApproval(tx, {
    id,
    runId: scope.runId,
    stage,
    capability,
    level: decided.level,
    requestHash,
    request: asked,
    status: 'pending',
    createdAt: now,
    expiresAt: now + APPROVAL_TTL_MS,
  })
  deps.append(tx, {
    type: 'approval_requested',
    stage,
    attempt: scope.attempt,
    payload: { ...asked, level: decided.level, reason: decided.reason, request_hash: requestHash },
    volatile: { approval: id },
  })
  return decided
}
