import { OpenExecError } from '../schema/index.ts'
import type { Action, ActionContext, ActionResult } from './action.ts'
import { executeNeeds } from './needs.ts'

/** Runs one action the only allowed way: its `with` is parsed, policy is asked, then it acts. */
export async function executeAction(
  context: ActionContext,
  action: Action,
  rawWith: unknown,
): Promise<ActionResult> {
  const request = action.with.safeParse(rawWith)
  if (!request.success) {
    const issue = request.error.issues[0]
    throw new OpenExecError(
      'blueprint_invalid',
      `Cannot run action "${action.name}": with.${issue?.path.join('.')}: ${issue?.message}`,
    )
  }
  const refusal = await executeNeeds(context, action.needs(context, request.data))
  return refusal ?? (await action.execute(context, request.data))
}
