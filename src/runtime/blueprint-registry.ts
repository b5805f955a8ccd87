import { ACTIONS } from '../actions/index.ts'
import type { ActionFacts, BlueprintRegistry } from '../blueprint/index.ts'
import { TOOLSETS } from '../tools/index.ts'

/** What blueprints may name here: the actions and toolsets there are. */
export const BLUEPRINT_REGISTRY: BlueprintRegistry = {
  actions: new Map(
    [...ACTIONS.values()].map((action): [string, ActionFacts] => {
      const { name, inputs, outputs, canFail, canSkip, timeout } = action
      return [name, { inputs, outputs, canFail, canSkip, timeout, withSchema: action.with }]
    }),
  ),
  toolsets: new Set(TOOLSETS.map(({ name }) => name)),
}
