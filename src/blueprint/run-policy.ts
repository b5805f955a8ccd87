/** The policy of a run: whose it is, what the machine adds, and whether its secrets can be had. */
import { join } from 'node:path'
import { expandPresets, expandSecrets, overridePolicy, type Policy } from '../policy/index.ts'
import type { RunRequest } from '../schema/index.ts'
import type { Source } from '../workspace/index.ts'
import { committedPolicy, POLICY_FILE, policyFrom } from './policy-file.ts'
import type { PrepareDeps } from './prepare-run.ts'
import { refuseValues } from './refuse-values.ts'
import { secretValues } from './secret-values.ts'

interface Asked {
  request: RunRequest
  /** Of the repository. */
  root: string
  source: Promise<Source>
}

/** Throws `policy_invalid`, `policy_denied` and what reading a secret throws. */
export async function policyOf(
  deps: PrepareDeps,
  asked: Asked,
  signal: AbortSignal,
): Promise<Policy> {
  const { request } = asked
  const named = await namedPolicy(deps, asked, signal)
  return withSecrets(deps, request, withPresets(deps, named))
}

/** The file that was named, else the one in the checkout if it only narrows, else the built-in. */
async function namedPolicy(
  { workspaces }: PrepareDeps,
  { request, root, source }: Asked,
  signal: AbortSignal,
): Promise<Policy> {
  const { policyFile: named, origin } = request
  const isCommitted = origin !== undefined && named === undefined
  const found = isCommitted
    ? await committedPolicy(workspaces, await source, signal)
    : join(root, POLICY_FILE)
  const base = policyFrom({ named, found })
  const { sandbox, timeoutMs } = request
  return overridePolicy(base, { from: 'operator', sandbox, timeoutMs })
}

/** The machine is asked only where the policy wants to know. */
function withPresets({ presets }: PrepareDeps, policy: Policy): Policy {
  return policy.network.presets.length === 0 ? policy : expandPresets(policy, presets())
}

/** Who names sources of values is looked at before anything of them. */
function withSecrets(
  { tenant, secretSources }: PrepareDeps,
  { declaredSecretsOnly: declaredOnly = false }: RunRequest,
  policy: Policy,
): Policy {
  const declared = (policy.operatorSecrets ?? []).length === 0 ? [] : secretSources.declared()
  return expandSecrets(policy, {
    declared,
    tenant,
    declaredOnly,
  })
}

/** What a run could not begin with is told now; commands are asked once, when it begins. */
export async function refuseSecrets(
  { tenant, secretSources: sources }: PrepareDeps,
  { request, policy }: { request: RunRequest; policy: Policy },
  signal: AbortSignal,
): Promise<void> {
  const reader = { sources, tenant }
  refuseValues(request, await secretValues(policy, reader, { which: 'without_commands', signal }))
}
