/** What a run was when it was submitted, kept as artifacts so that nothing can change under it. */
import type { Artifacts } from '../artifacts/index.ts'
import { type Policy, PolicySnapshot } from '../policy/index.ts'
import { hashJson, OpenExecError, type Run } from '../schema/index.ts'
import type { Plan } from './plan.ts'

export interface FrozenRun {
  plan: Plan
  policy: Policy
  policyHash: string
  snapshot: PolicySnapshot
  image: { name: string; id: string }
}

export const PLAN_ARTIFACT = 'plan'
export const SNAPSHOT_ARTIFACT = 'policy_snapshot'
const BYTES_MAX = 8 * 1024 * 1024

/** Throws `state_corrupt` when it is not what was frozen. */
export async function loadFrozenRun(artifacts: Artifacts, run: Run): Promise<FrozenRun> {
  const read = async (name: string): Promise<unknown> => {
    const { id } = artifacts.find(run.id, name)
    return JSON.parse(new TextDecoder().decode(await artifacts.read(id, { maxBytes: BYTES_MAX })))
  }
  const snapshot = PolicySnapshot.parse(await read(SNAPSHOT_ARTIFACT))
  const policyHash = hashJson(snapshot)
  if (policyHash !== run.policyHash)
    throw new OpenExecError('state_corrupt', `Cannot go on with run "${run.id}": its policy snapshot differs from the one it began with`)
  // Written by `submit()` from this very type, and found by its sha256.
  const plan = (await read(PLAN_ARTIFACT)) as Plan
  return { plan, policy: snapshot.policy, policyHash, snapshot, image: snapshot.image }
}
