/**
 * What a run or a stage gets of a policy. Whoever asks may narrow; wider only by the operator's own
 * word on the command line. A refusal says which word would permit it.
 */
import { OpenExecError, type SandboxMode } from '../schema/index.ts'
import { allowedHosts } from './allowed-hosts.ts'
import { parseHostPattern, permitsAll } from './host-pattern.ts'
import { isWider } from './modes.ts'
import type { Policy } from './policy.ts'

/** How "every public host" is shown; no pattern can be spelt like it. */
export const AUDITED = 'audit: every public host'

export interface PolicyOverrides {
  /** `operator`: a flag of the person who runs the program here. `caller`: anybody else. */
  from: 'operator' | 'caller'
  sandbox: SandboxMode | undefined
  /** Wall-clock limit of the run, in `ms`. */
  timeoutMs: number | undefined
}

/** The policy with a caller's wishes in it. Throws `policy_denied` when a caller asks for more. */
export function overridePolicy(policy: Policy, overrides: PolicyOverrides): Policy {
  const { from, sandbox, timeoutMs } = overrides
  if (from === 'caller') refuseWider(policy, overrides)
  const mode = sandbox === undefined ? {} : { sandbox, sandboxFrom: 'flag' as const }
  const limits = timeoutMs === undefined ? {} : { limits: { ...policy.limits, wall: timeoutMs } }
  return { ...policy, ...mode, ...limits }
}

export interface ModeWishes {
  /** `defaults.sandbox` of the blueprint. */
  blueprint: SandboxMode | undefined
  stage: SandboxMode | undefined
}

/**
 * The mode of one stage: its own word, else the flag of whoever started the run, else the blueprint's, else the policy's.
 * Throws `policy_denied` when that is wider than the policy.
 */
export function stageMode(policy: Policy, { blueprint, stage }: ModeWishes): SandboxMode {
  const flag = policy.sandboxFrom === 'flag' ? policy.sandbox : undefined
  const mode = stage ?? flag ?? blueprint ?? policy.sandbox
  if (isWider(mode, policy.sandbox))
    throw new OpenExecError(
      'policy_denied',
      `Cannot use sandbox mode "${mode}": the policy permits "${policy.sandbox}" and narrower`,
      { hint: `Set "sandbox: ${mode}" in the policy file, or pass --sandbox ${mode}` },
    )
  return mode
}

/**
 * Hosts one stage may reach, as canonical patterns and `preset:NAME`; `stage` undefined means all of
 * the policy's. Throws `policy_denied` when the stage names a host the policy does not permit.
 */
export function stageNetwork(
  policy: Policy,
  mode: SandboxMode,
  stage: readonly string[] | undefined,
): string[] {
  const { presets, mode: networkMode } = policy.network
  const allow = allowedHosts(policy)
  if (stage === undefined)
    return mode === 'read_only'
      ? []
      : [
          ...allow,
          ...presets.map((name) => `preset:${name}`),
          ...(networkMode === 'audit' ? [AUDITED] : []),
        ]
  const wanted = stage.map(readHost)
  const outer = allow.map(readHost)
  const refused = wanted.filter(
    (inner) =>
      mode === 'read_only' ||
      (networkMode !== 'audit' && !outer.some((pattern) => permitsAll(pattern, inner))),
  )
  if (refused.length === 0) return [...new Set(wanted.map(({ text }) => text))].sort()
  const names = refused.map(({ text }) => `"${text}"`).join(', ')
  throw new OpenExecError(
    'policy_denied',
    mode === 'read_only'
      ? `Cannot reach ${names}: mode read_only has no network`
      : `Cannot reach ${names}: not in network.allow of the policy`,
    { hint: 'Add the host to network.allow of the policy file, and use workspace_write or wider' },
  )
}

function refuseWider(policy: Policy, { sandbox, timeoutMs }: PolicyOverrides): void {
  const hint = 'Ask for less, or have the operator change the policy'
  if (sandbox !== undefined && isWider(sandbox, policy.sandbox))
    throw new OpenExecError(
      'policy_denied',
      `Cannot use sandbox mode "${sandbox}": the policy permits "${policy.sandbox}" and narrower`,
      { hint },
    )
  if (timeoutMs !== undefined && timeoutMs > policy.limits.wall)
    throw new OpenExecError(
      'policy_denied',
      `Cannot use a time limit of ${timeoutMs} ms: the policy permits ${policy.limits.wall} ms`,
      { hint },
    )
}

function readHost(text: string) {
  const parsed = parseHostPattern(text)
  if (parsed.ok) return parsed.pattern
  throw new OpenExecError('policy_denied', `Cannot reach "${text}": ${parsed.problem}`, {
    hint: 'Write a host name, *.suffix or an address, each with an optional :port',
  })
}
