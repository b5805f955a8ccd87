import type { PolicyDecision } from '../schema/index.ts'
import type { ActionContext, ActionResult, GateRequest } from './action.ts'
import { APPROVAL_RULE } from './gate.ts'

/** Asks policy for all needs at once; the result that ends the stage, or `undefined` to go on. */
export async function executeNeeds(
  context: Pick<ActionContext, 'gateAll'>,
  needs: readonly GateRequest[],
): Promise<ActionResult | undefined> {
  const decisions = needs.length === 0 ? [] : await context.gateAll(needs)
  const refused = decisions.map((decision, index) => ({ decision, need: needs[index] }))
  return refusedBy(refused, 'block') ?? refusedBy(refused, 'require_approval')
}

function refusedBy(
  answers: readonly { decision: PolicyDecision; need: GateRequest | undefined }[],
  kind: 'block' | 'require_approval',
): ActionResult | undefined {
  const all = answers.filter(({ decision }) => decision.decision === kind)
  const [first] = all
  if (first?.need === undefined) return undefined
  const { decision, need } = first
  const others = all.length > 1 ? `; and ${all.length - 1} more` : ''
  const rules = decision.matched.join(', ')
  const summary = `${need.subject} needs ${need.capability}: ${decision.reason} (${rules})${others}`
  if (kind === 'require_approval')
    return { status: 'awaiting_approval', reason: 'approval_required', summary, artifacts: [] }
  const isPersons = decision.matched.includes(APPROVAL_RULE)
  const reason = isPersons ? 'approval_rejected' : 'policy_blocked'
  return { status: 'blocked', reason, summary, artifacts: [] }
}
