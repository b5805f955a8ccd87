import {
  canonicalJson,
  findingsError,
  type NetworkEntry,
  parseYaml,
  PolicyFile,
  type SecretEntry,
} from '../schema/index.ts'
import { checkPolicy } from './check-policy.ts'
import { parseHostPattern } from './host-pattern.ts'
import { fillLimits } from './limits.ts'
import type { NetworkRule, Policy } from './policy.ts'
import { runPolicyTests } from './policy-tests.ts'
import { PRESETS } from './presets.ts'

type YamlSource = Parameters<typeof parseYaml>[0]

/**
 * Reads a policy file and runs the tests it carries. Throws `policy_invalid` with every complaint,
 * each with file:line:column; a file with a failing test is not a policy.
 */
export function readPolicy(source: YamlSource): Policy {
  const file = parseYaml(source, PolicyFile, 'policy_invalid')
  const findings = checkPolicy(file)
  if (findings.length > 0) throw findingsError(source.file, findings, 'policy_invalid')
  const policy = normalPolicy(file.value)
  const failures = runPolicyTests(policy, file)
  if (failures.length > 0) throw findingsError(source.file, failures, 'policy_invalid')
  return policy
}

/** What holds where there is no policy file. */
export function defaultPolicy(): Policy {
  return normalPolicy({ version: 1 })
}

function normalPolicy(file: PolicyFile): Policy {
  return {
    version: 1,
    sandbox: file.sandbox ?? 'workspace_write',
    sandboxFrom: file.sandbox === undefined ? 'default' : 'file',
    isolation: file.isolation ?? 'container',
    network: networkOf(file.network ?? {}),
    paths: pathsOf(file.paths ?? {}),
    limits: fillLimits(file.limits ?? {}),
    ...secretsOf(file.secrets ?? []),
    rules: [...(file.rules ?? [])].sort((a, b) => (a.id < b.id ? -1 : 1)),
  }
}

function networkOf(network: NonNullable<PolicyFile['network']>): Policy['network'] {
  const names = network.presets ?? []
  const presetHosts = names.flatMap((name) => {
    const preset = PRESETS[name]
    return preset?.kind === 'hosts' ? preset.hosts : []
  })
  const allow = network.allow ?? []
  const plain = allow.flatMap((entry) => (typeof entry === 'string' ? [entry] : isPlain(entry)))
  return {
    ...(network.mode === 'audit' && { mode: network.mode }),
    allow: hosts([...plain, ...presetHosts]),
    entries: allow
      .flatMap((entry) => (typeof entry === 'string' || isPlain(entry).length > 0 ? [] : [entry]))
      .map(ruleOf)
      .sort((a, b) => (canonicalJson(a) < canonicalJson(b) ? -1 : 1)),
    presets: sorted(names.filter((name) => PRESETS[name]?.kind === 'configured')),
    deny: hosts(network.deny ?? []),
  }
}

/** An entry without conditions is no more than its host. */
function isPlain(entry: NetworkEntry): string[] {
  return Object.keys(entry).length === 1 ? [entry.host] : []
}

function ruleOf({ host, methods, paths, addresses, tls }: NetworkEntry): NetworkRule {
  return {
    host: hosts([host])[0] ?? host,
    methods: sorted(methods ?? []),
    paths: sorted(paths ?? []),
    addresses: sorted(addresses ?? []),
    tls: tls ?? 'checked',
  }
}

function secretsOf(entries: readonly SecretEntry[]): Pick<Policy, 'secrets' | 'operatorSecrets'> {
  const named = entries.flatMap(({ name, from }) => (from === 'operator' ? [name] : []))
  const secrets = entries.flatMap(({ hosts: patterns, as, ...rest }) =>
    rest.from === 'operator' || patterns === undefined || as === undefined
      ? []
      : [{ ...rest, hosts: hosts(patterns), as }],
  )
  return {
    secrets: secrets.sort((a, b) => (a.name < b.name ? -1 : 1)),
    ...(named.length > 0 && { operatorSecrets: sorted(named) }),
  }
}

function pathsOf(paths: NonNullable<PolicyFile['paths']>): Policy['paths'] {
  return {
    deny_read: sorted(paths.deny_read ?? []),
    deny_write: sorted(paths.deny_write ?? []),
    read_only: sorted(paths.read_only ?? []),
    write_only: sorted(paths.write_only ?? []),
  }
}

function hosts(patterns: readonly string[]): string[] {
  return sorted(
    patterns.flatMap((text) => {
      const parsed = parseHostPattern(text)
      return parsed.ok ? [parsed.pattern.text] : []
    }),
  )
}

function sorted(values: readonly string[]): string[] {
  return [...new Set(values)].sort()
}
