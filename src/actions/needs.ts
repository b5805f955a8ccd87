import type { PolicyDecision } from '../schema/index.ts'
import type { ActionContext, ActionResult, GateRequest } from './action.ts'

/** Asks policy for every need in turn; the result that ends the stage, or `undefined` to go on. */
export async function executeNeeds(
  context: ActionContext,
  needs: readonly GateRequest[],
): Promise<ActionResult | undefined> {
  for (const need of needs) {
    const refusal = refusedBy(await context.gate(need), need)
    if (refusal !== undefined) return refusal
  }
  return undefined
}

function refusedBy(decision: PolicyDecision, need: GateRequest): ActionResult | undefined {
  if (decision.decision === 'allow') return undefined
  const rules = decision.matched.join(', ')
  const summary = `${need.subject} needs ${need.capability}: ${decision.reason} (${rules})`
  return decision.decision === 'block'
    ? { status: 'blocked', reason: 'policy_blocked', summary, artifacts: [] }
    : { status: 'awaiting_approval', reason: 'approval_required', summary, artifacts: [] }
}
