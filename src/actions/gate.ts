/**
 * The one place where permission is asked. Every decision is an event; a request that needs a
 * person becomes a durable approval, bound to exactly this request, used once.
 */
import { evaluate, type Policy } from '../policy/index.ts'
import {
  ApprovalId,
  hashJson,
  type JsonObject,
  type NewEvent,
  type NewId,
  type PolicyDecision,
  type PolicyRequest,
  type RunId,
} from '../schema/index.ts'
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
  policyHash: string
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
  /** Why a person is asked although policy would allow; a block stays a block. */
  approval: { by: string; reason: string } | undefined
}

/** Decides, records, and turns a need for approval into allow where a person has said yes. */
export function askPolicy(
  deps: GateDeps,
  request: PolicyRequest,
  scope: GateScope,
): PolicyDecision {
  const decided = withWish(evaluate(deps.policy, request), scope)
  return deps.state.transact((tx) => {
    const decision =
      decided.decision === 'require_approval'
        ? resolveApproval(deps, tx, { request, decided, scope })
        : decided
    const { subject, capability, resource, mode } = request
    deps.append(tx, {
      type: 'policy_check',
      stage: request.stage,
      attempt: scope.attempt,
      payload: { ...decision, subject, capability, resource: shortened(resource), mode },
    })
    return decision
  })
}

function withWish(decided: PolicyDecision, { approval }: GateScope): PolicyDecision {
  if (approval === undefined || decided.decision !== 'allow') return decided
  const { by, reason } = approval
  return { ...decided, decision: 'require_approval', level: 'risky', matched: [by], reason }
}

interface Pending {
  request: PolicyRequest
  decided: PolicyDecision
  scope: GateScope
}

function resolveApproval(deps: GateDeps, tx: Db, pending: Pending): PolicyDecision {
  const { request, decided, scope } = pending
  const { stage, subject, capability, resource } = request
  const asked: JsonObject = { stage, subject, capability, resource, tree: scope.tree }
  const requestHash = hashJson({ ...asked, run: scope.runId, policy: deps.policyHash })
  const now = deps.now()
  const found = findApproval(tx, { runId: scope.runId, requestHash })
  const by = found?.decidedBy ?? 'a person'
  const matched = found === undefined ? [] : [...decided.matched, 'approval'].sort()
  if (found?.status === 'approved' && consumeApproval(tx, found.id, { requestHash, now }))
    return { ...decided, decision: 'allow', matched, reason: `Approved by ${by}` }
  if (found?.status === 'rejected') {
    const why = found.reason === undefined ? '' : `: ${found.reason}`
    return { ...decided, decision: 'block', matched, reason: `Rejected by ${by}${why}` }
  }
  if (found?.status === 'pending' && found.expiresAt > now) return decided
  const id = ApprovalId.parse(deps.newId('appr'))
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
    payload: { ...asked, resource: shortened(resource), level: decided.level, reason: decided.reason },
    volatile: { approval: id, request_hash: requestHash },
  })
  return decided
}

const ARGV_CHARS_MAX = 8192

/** A whole argv may be larger than an event; its beginning and its hash tell which it was. */
function shortened(resource: PolicyRequest['resource']): JsonObject {
  if (resource.kind !== 'argv' || resource.argv.join(' ').length <= ARGV_CHARS_MAX) return resource
  const first = resource.argv.slice(0, 8).map((word) => word.slice(0, 256))
  return { kind: 'argv', argv: first, argv_hash: hashJson(resource.argv) }
}
