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
  const read = PolicySnapshot.safeParse(await readFrozen(artifacts, run, SNAPSHOT_ARTIFACT))
  const policyHash = read.success ? hashJson(read.data) : undefined
  if (!read.success || policyHash === undefined || policyHash !== run.policyHash)
    throw new OpenExecError(
      'state_corrupt',
      `Cannot go on with run "${run.id}": its policy snapshot differs from the one it began with`,
    )
  const snapshot = read.data
  // Written by `submit()` from this very type, and found by its sha256.
  const plan = (await readFrozen(artifacts, run, PLAN_ARTIFACT)) as Plan
  return { plan, policy: snapshot.policy, policyHash, snapshot, image: snapshot.image }
}

async function readFrozen(artifacts: Artifacts, run: Run, name: string): Promise<unknown> {
  const damaged = (cause: unknown) =>
    new OpenExecError(
      'state_corrupt',
      `Cannot go on with run "${run.id}": its ${name} is damaged`,
      {
        cause,
      },
    )
  // What a stage makes has a step, whatever its name.
  const frozen = artifacts.list(run.id).find((each) => each.name === name && !each.stepId)
  if (frozen === undefined) throw damaged(undefined)
  try {
    const bytes = await artifacts.read(frozen.id, { maxBytes: BYTES_MAX })
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch (error) {
    if (error instanceof OpenExecError && error.code === 'state_unusable') throw error
    throw damaged(error)
  }
}
