import { deniesRead } from '../policy/index.ts'
import type { Run } from '../schema/index.ts'
import type { Workspace } from '../workspace/index.ts'
import type { WarmClaim } from './claim-warm.ts'
import type { EnvironmentDeps } from './environment.ts'
import type { FrozenRun } from './frozen-run.ts'
import type { RunPlace } from './run-place.ts'

/** Its files come while a sandbox starts; no command does. */
export async function placeFor(
  deps: Pick<EnvironmentDeps, 'workspaces' | 'userOf'>,
  {
    run,
    frozen: { policy },
    place,
    warm,
  }: { run: Run; frozen: FrozenRun; place: RunPlace; warm: WarmClaim },
  signal: AbortSignal,
): Promise<Workspace> {
  const placing = deps.workspaces.place({
    ...place,
    runId: run.id,
    signal,
    ...deps.userOf(run.id),
    denyRead: policy.paths.deny_read.length === 0 ? undefined : (path) => deniesRead(policy, path),
    history: 'full',
    claim: warm.claim,
  })
  const workspace = await placing.catch(async (error: unknown) => {
    await warm.claimed?.close()
    throw error
  })
  if (warm.claimed !== undefined) void workspace.fill().catch(() => {})
  return workspace
}
