import { OpenExecError, type JsonValue } from '../schema/index.ts'
import type { Action } from './action.ts'
import { applyPatch } from './apply-patch.ts'
import { buildContextPackAction } from './build-context-pack.ts'
import { listMcpTools } from './list-mcp-tools.ts'
import {
  commitChanges,
  generateDiffReport,
  prepareReviewBundle,
  summarizeRun,
} from './report-changes.ts'
import { runCommand } from './run-command.ts'
import { runLinters, runSetup, runTests } from './run-project-command.ts'

/** Every action there is, by name. */
export const ACTIONS: ReadonlyMap<string, Action> = new Map(
  [
    applyPatch,
    buildContextPackAction,
    commitChanges,
    generateDiffReport,
    listMcpTools,
    prepareReviewBundle,
    runCommand,
    runLinters,
    runSetup,
    runTests,
    summarizeRun,
  ].map((action) => [action.name, action]),
)

/** Throws `not_found` with the names there are. */
export function findAction(name: string): Action {
  const action = ACTIONS.get(name)
  if (action !== undefined) return action
  throw new OpenExecError('not_found', `Cannot find action "${name}"`, {
    hint: `Choose one of ${[...ACTIONS.keys()].join(', ')}`,
  })
}

/** Part of the policy snapshot: what exists and in which version. */
export function describeActions(): JsonValue {
  return [...ACTIONS.values()].map(({ name, version, outputs }) => ({
    name,
    version,
    outputs: [...outputs],
  }))
}
