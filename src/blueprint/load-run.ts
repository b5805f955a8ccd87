/** A run as it was frozen, with the way to open its world. */
import { hashJson, OpenExecError, type Run } from '../schema/index.ts'
import type { LoadedRun } from './engine.ts'
import { type EnvironmentDeps, openEnvironment } from './environment.ts'
import { type FrozenRun, loadFrozenRun } from './frozen-run.ts'
import { describePrices, describeTools } from './program-facts.ts'
import { reopenEnvironment } from './reopen-environment.ts'

/**
 * Throws `state_corrupt` when what was frozen is damaged, and `conflict` for a run that was begun
 * under another registry of tools or prices than this program has.
 */
export async function loadRun(deps: EnvironmentDeps, run: Run): Promise<LoadedRun> {
  const frozen = await loadFrozenRun(deps.artifacts, run)
  refuseOtherProgram(run, frozen)
  const { plan, policy } = frozen
  return {
    plan,
    wallMs: Math.min(plan.limits.max_wall, policy.limits.wall),
    open: async (signal) =>
      (await reopenEnvironment(deps, { run, frozen }, signal)) ??
      (await openEnvironment(deps, { run, frozen }, signal)),
  }
}

function refuseOtherProgram(run: Run, { snapshot }: FrozenRun): void {
  const { tools, prices } = snapshot
  const differ = [
    ...(hashJson(tools) === hashJson(describeTools()) ? [] : ['tools']),
    ...(hashJson(prices) === hashJson(describePrices()) ? [] : ['prices']),
  ]
  if (differ.length === 0) return
  throw new OpenExecError(
    'conflict',
    `Cannot go on with run "${run.id}": its ${differ.join(' and ')} are those of another version of OpenExec`,
    { hint: 'Go on with the version it was started with, or start a new run' },
  )
}
