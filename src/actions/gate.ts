/**
 * The one place where permission is asked. Every decision is an event; a request that needs a
 * person becomes a durable approval, bound to exactly this request, used once.
 *
 * What an effect needs as a whole is asked as a whole: approvals are used up only when all of it is
 * allowed, so that a stage that still waits for one does not lose those it has.
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
  Resource,
  type RunId,
  type Sha256,
} from '../schema/index.ts'
import {
  type Approval,
  consumeApproval,
  type Db,
  findApproval,
  insertApproval,
  type State,
} from '../state/index.ts'

/** How long a person has to answer. */
const APPROVAL_TTL_MS = 24 * 3_600_000

/** Stands among the rules of a decision that a person has made. */
export const APPROVAL_RULE = 'builtin:approval'

export interface GateDeps {
  state: State
  policy: Policy
  policyHash: string
  now(): number
  newId: NewId
  /** Appends within the transaction it is given. */
  append(tx: Db, events: readonly NewEvent[]): void
}

export interface GateScope {
  runId: RunId
  attempt: number
  /** The tree the request is about: an approval of a script is no approval of another one. */
  tree: string
}

export interface Ask {
  request: PolicyRequest
  /** Why a person is asked although policy would allow; a block stays a block. */
  approval: { by: string; reason: string } | undefined
}

/** Decides and records all of `asks`; the approvals of a person count only if no other is missing. */
export function askPolicy(
  deps: GateDeps,
  asks: readonly Ask[],
  scope: GateScope,
): PolicyDecision[] {
  return deps.state.transact((tx) => {
    const answers = asks.map((ask) => answer(deps, tx, { ask, scope }))
    const isBlocked = answers.some(({ decision }) => decision.decision === 'block')
    const waiting = answers.filter(({ decision }) => decision.decision === 'require_approval')
    const events: NewEvent[] = []
    if (!isBlocked && waiting.length > 0)
      for (const asked of unique(waiting)) events.push(...request(deps, tx, { asked, scope }))
    if (!isBlocked && waiting.length === 0)
      for (const { approval, requestHash } of unique(answers))
        if (approval !== undefined) consume(tx, approval, { requestHash, now: deps.now() })
    deps.append(tx, [...events, ...answers.map((each) => checkEvent(each, scope))])
    return answers.map(({ decision }) => decision)
  })
}

interface Answer {
  ask: Ask
  decision: PolicyDecision
  requestHash: Sha256
  /** What a person is shown. */
  asked: JsonObject
  /** Approved and not used yet. */
  approval: Approval | undefined
  /** An open request for the same is there already. */
  isOpen: boolean
}

function answer(deps: GateDeps, tx: Db, { ask, scope }: { ask: Ask; scope: GateScope }): Answer {
  const decision = withWish(evaluate(deps.policy, ask.request), ask.approval)
  const { stage, subject, capability, resource } = ask.request
  const asked: JsonObject = { stage, subject, capability, resource, tree: scope.tree }
  const { runId: run } = scope
  const requestHash = requestHashOf(asked, { run, policyHash: deps.policyHash })
  const base = { ask, asked, requestHash, approval: undefined, isOpen: false }
  if (decision.decision !== 'require_approval') return { ...base, decision }
  const found = findApproval(tx, { runId: scope.runId, requestHash })
  const isValid = found !== undefined && found.expiresAt > deps.now()
  const by = found?.decidedBy ?? 'a person'
  const matched = [...decision.matched, APPROVAL_RULE].sort()
  if (found?.status === 'approved' && isValid) {
    const allowed = {
      ...decision,
      decision: 'allow',
      matched,
      reason: `Approved by ${by}`,
    } as const
    return { ...base, decision: allowed, approval: found }
  }
  if (found?.status === 'rejected') {
    const why = found.reason === undefined ? '' : `: ${found.reason}`
    const refused = { ...decision, decision: 'block', matched } as const
    return { ...base, decision: { ...refused, reason: `Rejected by ${by}${why}` } }
  }
  return { ...base, decision, isOpen: found?.status === 'pending' && isValid }
}

/** What an approval is bound to. */
export function requestHashOf(
  asked: JsonObject,
  { run, policyHash }: { run: RunId; policyHash: string },
): Sha256 {
  return hashJson({ ...asked, run, policy: policyHash })
}

/** What a person has put in the place of a resource; the resource itself where nobody has. */
export function editedResource(
  db: Db,
  request: PolicyRequest,
  { policyHash, runId, tree }: Pick<GateDeps, 'policyHash'> & Pick<GateScope, 'runId' | 'tree'>,
): Resource {
  const { stage, subject, capability, resource } = request
  const asked = { stage, subject, capability, resource, tree }
  const requestHash = requestHashOf(asked, { run: runId, policyHash })
  const edited = findApproval(db, { runId, requestHash })?.request['edited']
  return edited === undefined ? resource : Resource.parse(edited)
}

function withWish(decided: PolicyDecision, wish: Ask['approval']): PolicyDecision {
  if (wish === undefined || decided.decision !== 'allow') return decided
  const { by, reason } = wish
  return { ...decided, decision: 'require_approval', level: 'risky', matched: [by], reason }
}

function unique(answers: readonly Answer[]): Answer[] {
  return [...new Map(answers.map((each) => [each.requestHash, each])).values()]
}

function consume(tx: Db, { id }: Approval, given: Parameters<typeof consumeApproval>[2]): void {
  // Looked at in this very transaction.
  if (!consumeApproval(tx, id, given)) throw new Error(`Cannot use approval "${id}" up`)
}

/** Asks a person, unless the same has been asked and can still be answered. */
function request(
  deps: GateDeps,
  tx: Db,
  { asked, scope }: { asked: Answer; scope: GateScope },
): NewEvent[] {
  if (asked.isOpen) return []
  const { decision, requestHash, ask } = asked
  const { stage, capability, resource } = ask.request
  const now = deps.now()
  const id = ApprovalId.parse(deps.newId('appr'))
  insertApproval(tx, {
    id,
    runId: scope.runId,
    stage,
    capability,
    level: decision.level,
    requestHash,
    request: asked.asked,
    status: 'pending',
    createdAt: now,
    expiresAt: now + APPROVAL_TTL_MS,
  })
  const { level, reason } = decision
  return [
    {
      type: 'approval_requested',
      stage,
      attempt: scope.attempt,
      payload: { ...asked.asked, resource: shortResource(resource), level, reason },
      volatile: { approval: id, request_hash: requestHash },
    },
  ]
}

function checkEvent({ ask, decision }: Answer, { attempt }: GateScope): NewEvent {
  const { subject, capability, resource, mode, stage } = ask.request
  const payload = { ...decision, subject, capability, resource: shortResource(resource), mode }
  return { type: 'policy_check', stage, attempt, payload }
}

const ARGV_CHARS_MAX = 8192
const WORDS_SHOWN = 8
const WORD_CHARS_MAX = 256

/** A whole argv may be larger than an event; its beginning and its hash tell which it was. */
export function shortResource(resource: PolicyRequest['resource']): JsonObject {
  if (resource.kind !== 'argv') return resource
  return { kind: 'argv', ...shortArgv(resource.argv) }
}

export function shortArgv(argv: readonly string[]): { argv: string[]; argv_hash?: string } {
  const length = argv.reduce((sum, word) => sum + word.length + 1, 0)
  if (length <= ARGV_CHARS_MAX) return { argv: [...argv] }
  const first = argv.slice(0, WORDS_SHOWN).map((word) => word.slice(0, WORD_CHARS_MAX))
  return { argv: first, argv_hash: hashJson(argv) }
}
