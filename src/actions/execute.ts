import { OpenExecError } from '../schema/index.ts'
import type { Action, ActionContext, ActionResult, GateRequest } from './action.ts'
import { executeNeeds } from './needs.ts'

/**
 * Runs one action the only allowed way: its `with` is parsed, policy is asked, then it acts. `first`
 * is asked together with what the action needs.
 */
export async function executeAction(
  context: ActionContext,
  action: Action,
  { with: rawWith, first }: { with: unknown; first: readonly GateRequest[] },
): Promise<ActionResult> {
  const request = action.with.safeParse(rawWith)
  if (!request.success) {
    const issue = request.error.issues[0]
    const path = ['with', ...(issue?.path ?? [])].join('.')
    throw new OpenExecError(
      'blueprint_invalid',
      `Cannot run action "${action.name}": ${path}: ${issue?.message}`,
    )
  }
  const refusal = await executeNeeds(context, [...first, ...action.needs(context, request.data)])
  return refusal ?? (await action.execute(context, request.data))
}
