/**
 * A policy told to a person: what a mode may read, change and reach, what decides each capability,
 * and the settings its container gets. Read from the very data that is enforced.
 */
import {
  Capability,
  type Confinement,
  type DecisionKind,
  hashJson,
  type Level,
  type Limits,
  OpenExecError,
  type SandboxMode,
} from '../schema/index.ts'
import { BUILTIN_RULES } from './builtin-rules.ts'
import {
  compileConfinement,
  confinementDigest,
  confinementOf,
  type ConfinementOptions,
} from './confinement.ts'
import { engineSettings } from './engine-settings.ts'
import { evaluate } from './evaluate.ts'
import { limitText } from './limits.ts'
import { MODE_MEANINGS } from './modes.ts'
import { AUDITED } from './narrow.ts'
import type { NetworkRule, Policy } from './policy.ts'

export interface CapabilityLine {
  capability: Capability
  decision: DecisionKind
  level: Level
  rules: string[]
  reason: string
  /** Rules that decide otherwise for some paths, hosts, commands, stages or subjects. */
  conditional: string[]
}

export interface Explanation {
  mode: SandboxMode
  meaning: string
  policyHash: string
  confinementDigest: string
  reads: string[]
  writes: string[]
  reaches: string[]
  /** Secrets by name, with the hosts each goes to; never values. */
  secrets: string[]
  limits: { name: keyof Limits; value: string }[]
  capabilities: CapabilityLine[]
  /** As a container engine names them. */
  settings: { name: string; value: string }[]
  /** Why such a run does not start here, if it does not. */
  refused: { code: string; message: string; hint: string | undefined } | undefined
}

/** Explains `mode` under `policy`; what cannot be enforced is told in `refused`, not thrown. */
export function explainPolicy(
  policy: Policy,
  mode: SandboxMode,
  options: ConfinementOptions,
): Explanation {
  const confinement = confinementOf(policy, mode)
  return {
    mode,
    meaning: MODE_MEANINGS[mode],
    policyHash: hashJson(policy),
    confinementDigest: confinementDigest(confinement),
    reads: readsOf(policy),
    writes: writesOf(policy, confinement),
    reaches: reachesOf(policy, mode),
    secrets: secretsOf(policy),
    limits: LIMIT_NAMES.map((name) => ({ name, value: limitText(name, policy.limits[name]) })),
    capabilities: Capability.options.map((capability) => capabilityLine(policy, mode, capability)),
    settings: engineSettings(confinement),
    refused: refusalOf(policy, mode, options),
  }
}

const LIMIT_NAMES = ['cpus', 'memory', 'pids', 'disk', 'inodes', 'wall', 'output'] as const

function readsOf({ paths }: Policy): string[] {
  const denied = paths.deny_read.map((pattern) => `not ${pattern}`)
  return ['the tree of the run at /workspace', 'the history of the repository', ...denied]
}

function writesOf({ paths }: Policy, { workspace, git, rootfs, tmpfs }: Confinement): string[] {
  const scratch = `scratch space in memory: ${tmpfs.map(({ target }) => target).join(', ')}`
  if (workspace === 'read_only') return [scratch]
  const forbidden = [...new Set([...paths.deny_write, ...paths.read_only, ...paths.deny_read])]
  return [
    paths.write_only.length === 0
      ? 'the tree of the run at /workspace'
      : `in /workspace only ${paths.write_only.join(', ')}`,
    ...forbidden.map((pattern) => `not ${pattern}`),
    ...(git === 'private' ? ["commits in the run's own git directory"] : []),
    ...(rootfs === 'writable' ? ['the system of the container, until it is removed'] : []),
    scratch,
  ]
}

function reachesOf({ network }: Policy, mode: SandboxMode): string[] {
  if (mode === 'read_only') return []
  return [
    ...(network.mode === 'audit' ? [`${AUDITED}, each recorded`] : []),
    ...network.allow,
    ...network.entries.map(entryText),
    ...network.presets.map((name) => `the hosts this machine has for preset ${name}`),
    ...network.deny.map((pattern) => `not ${pattern}`),
  ]
}

function secretsOf({ secrets, operatorSecrets = [] }: Policy): string[] {
  return [
    ...secrets.map(({ name, from, hosts, as, plain_http: plain }) => {
      const where = 'header' in as ? `header ${as.header}` : 'basic authentication'
      const wire = plain === true ? ', also outside of TLS' : ''
      return `${name} (from ${from}) to ${hosts.join(', ')} in ${where}${wire}`
    }),
    ...operatorSecrets.map((name) => `${name}, as the operator's configuration binds it`),
  ]
}

function entryText({ host, methods, paths, addresses, tls }: NetworkRule): string {
  const conditions = [
    ...(methods.length > 0 ? [methods.join(', ')] : []),
    ...(paths.length > 0 ? [`only ${paths.join(', ')}`] : []),
    ...(addresses.length > 0 ? [`also at ${addresses.join(', ')}`] : []),
    ...(tls === 'any' ? ['server name not checked'] : []),
  ]
  return `${host} (${conditions.join('; ')})`
}

function capabilityLine(policy: Policy, mode: SandboxMode, capability: Capability): CapabilityLine {
  const { decision, level, matched, reason } = evaluate(policy, {
    capability,
    resource: { kind: 'none' },
    mode,
    stage: '',
    subject: '',
  })
  const conditional = policy.rules
    .filter((rule) => rule.capability === capability && !matched.includes(rule.id))
    .filter(({ when }) => when?.mode?.includes(mode) ?? true)
    .map(({ id }) => id)
  // Paths and hosts are told by themselves; this one is about who asks.
  const asked = BUILTIN_RULES.filter(({ condition }) => condition === 'asked_by_run_command')
    .filter(({ capabilities, modes }) => capabilities.includes(capability) && modes.includes(mode))
    .map(({ id }) => id)
  return {
    capability,
    decision,
    level,
    rules: matched,
    reason,
    conditional: [...conditional, ...asked],
  }
}

function refusalOf(
  policy: Policy,
  mode: SandboxMode,
  options: ConfinementOptions,
): Explanation['refused'] {
  try {
    compileConfinement(policy, mode, options)
    return undefined
  } catch (error) {
    if (!(error instanceof OpenExecError)) throw error
    return { code: error.code, message: error.message, hint: error.hint }
  }
}
