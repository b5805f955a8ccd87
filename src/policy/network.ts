/**
 * The decision over one connection and one request out of a sandbox. A list is frozen when a stage
 * gets its sandbox, and nothing can change it afterwards. Whatever is not permitted by the policy,
 * by its rules and by the stage is denied, with the rule that decided and the line that would help.
 */
import type { SandboxMode } from '../schema/index.ts'
import { inBlock } from './address.ts'
import { allowedHosts } from './allowed-hosts.ts'
import { evaluate } from './evaluate.ts'
import { canonicalHost, type Host } from './host.ts'
import { type HostPattern, matchesHost, patternOf } from './host-pattern.ts'
import { stageNetwork } from './narrow.ts'
import type { NetworkRule, Policy } from './policy.ts'
import { matchesUrlPath } from './url-path.ts'

/** What one stage may reach; made once, never changed. */
export interface NetworkList {
  readonly stage: string
  /** Canonical patterns, as they are shown. */
  readonly hosts: readonly string[]
  readonly policy: Policy
  readonly mode: SandboxMode
  /** What the stage itself named; `undefined` for all of the policy's. */
  readonly narrowed: readonly HostPattern[] | undefined
}

interface Denial {
  allow: false
  /** As it is shown: canonical where it could be read, else cut and escaped. */
  host: string
  port: number
  /** Ids of what decided. */
  rule: string
  reason: string
  /** What to change in the policy; empty where nothing should be. */
  remedy: string
}

export interface Permission {
  allow: true
  host: Host
  port: number
  rule: string
  /** Blocks of addresses beyond global ones that the name may have. */
  addresses: readonly string[]
  /** Whether TLS must show the very name that was asked for. */
  tls: 'checked' | 'any'
  /** Some requests only: they must be seen to be decided. */
  requests: 'all' | 'some'
}

export type NetworkDecision = Permission | Denial

export interface NetworkTarget {
  /** As the sandbox wrote it. */
  host: string
  port: number
}

const SHOWN_MAX = 120
/** Written by the runtime: the approval of a command covers the connections it makes. */
const APPROVED_WITH_COMMAND = 'builtin:danger'

/** Throws `policy_denied` when the stage names a host that the policy does not permit. */
export function networkList(
  policy: Policy,
  {
    mode,
    stage,
    network,
  }: { mode: SandboxMode; stage: string; network: readonly string[] | undefined },
): NetworkList {
  const hosts = stageNetwork(policy, mode, network)
  const narrowed = network === undefined ? undefined : Object.freeze(hosts.flatMap(patternOf))
  return Object.freeze({ stage, hosts: Object.freeze(hosts), policy, mode, narrowed })
}

/** Pure; never throws, whatever the bytes. */
export function decideNetwork(list: NetworkList, target: NetworkTarget): NetworkDecision {
  const { policy, mode, stage } = list
  const host = canonicalHost(target.host)
  const { port } = target
  if (host === undefined || !Number.isInteger(port) || port < 1 || port > 65_535)
    return deny(target, 'builtin:host-unreadable', 'It is not exactly one host and port')
  const shown = { host: host.host, port }
  const { decision, matched, reason } = evaluate(policy, {
    capability: 'network_access',
    resource: { kind: 'host', host: host.host, port },
    mode,
    stage,
    subject: 'egress',
  })
  if (!isPermitted(decision, matched)) {
    const rule = matched.join(', ')
    return { ...deny(shown, rule, reason), remedy: remedyOf(list, shown, matched) }
  }
  if (list.narrowed?.some((each) => matchesHost(each, { host, port }, 'default_ports')) === false) {
    const why = `Stage "${stage}" narrows the network and does not name it`
    return {
      ...deny(shown, 'stage:network', why),
      remedy: `Add ${quoted(shown)} to "network" of stage "${stage}"`,
    }
  }
  return permission(list, host, port)
}

/** The same for one request of a connection that was permitted. */
export function decideRequest(
  list: NetworkList,
  permitted: Permission,
  request: { method: string; target: string },
): NetworkDecision {
  if (permitted.requests === 'all') return permitted
  const { host, port } = permitted
  const entry = entriesFor(list, host, port).find(({ rule }) => {
    if (rule.methods.length > 0 && !rule.methods.includes(request.method)) return false
    return rule.paths.length === 0 || matchesUrlPath(rule.paths, request.target)
  })
  if (entry !== undefined) return { ...permitted, rule: `network.allow: ${entry.pattern.text}` }
  const shown = { host: host.host, port }
  const why = `No entry of network.allow for it permits this ${request.method.slice(0, 20)}`
  const remedy = `Add the method and the path to an entry of network.allow for ${quoted(shown)}`
  return { ...deny(shown, permitted.rule, why), remedy }
}

function isPermitted(decision: string, matched: readonly string[]): boolean {
  if (decision === 'allow') return true
  return decision === 'require_approval' && matched.every((id) => id === APPROVED_WITH_COMMAND)
}

function permission(list: NetworkList, host: Host, port: number): Permission {
  const plain = list.policy.network.allow.flatMap(patternOf)
  const simple = plain.find((each) => matchesHost(each, { host, port }, 'default_ports'))
  const entries = entriesFor(list, host, port)
  const unlimited = entries.find(({ rule }) => rule.methods.length === 0 && rule.paths.length === 0)
  const text = simple?.text ?? unlimited?.pattern.text ?? entries[0]?.pattern.text
  return {
    allow: true,
    host,
    port,
    rule:
      text === undefined
        ? list.policy.network.mode === 'audit'
          ? 'builtin:network-audit'
          : 'rules'
        : `network.allow: ${text}`,
    addresses: entries.flatMap(({ rule }) => rule.addresses),
    tls: entries.some(({ rule }) => rule.tls === 'any') ? 'any' : 'checked',
    // With no entry at all it is permitted by the mode, whatever it asks.
    requests:
      simple === undefined && unlimited === undefined && entries.length > 0 ? 'some' : 'all',
  }
}

/** Whether a permission, by its entries or by being for this very address, covers an address. */
export function namesAddress({ host, addresses }: Permission, address: string): boolean {
  if (host.kind === 'ip') return inBlock(address, host.host)
  return addresses.some((block) => inBlock(address, block))
}

function entriesFor(
  { policy }: NetworkList,
  host: Host,
  port: number,
): { rule: NetworkRule; pattern: HostPattern }[] {
  return policy.network.entries.flatMap((rule) =>
    patternOf(rule.host)
      .filter((pattern) => matchesHost(pattern, { host, port }, 'default_ports'))
      .map((pattern) => ({ rule, pattern })),
  )
}

function deny({ host, port }: NetworkTarget, rule: string, reason: string): Denial {
  return { allow: false, host: shownHost(host), port, rule, reason, remedy: '' }
}

function remedyOf(list: NetworkList, target: NetworkTarget, matched: readonly string[]): string {
  if (matched.includes('builtin:no-network'))
    return 'Use mode workspace_write or wider: read_only has no network'
  if (matched.includes('builtin:host-denied'))
    return `Remove what covers ${quoted(target)} from network.deny`
  if (!matched.includes('builtin:host-unlisted')) return `Change rule ${matched.join(', ')}`
  const listed = allowedHosts(list.policy)
  return `Add to network.allow: ${quoted(target)}${listed.length === 0 ? ' (nothing is listed)' : ''}`
}

function quoted({ host, port }: NetworkTarget): string {
  const name = host.includes(':') ? `[${host}]` : host
  return `"${port === 80 || port === 443 ? name : `${name}:${port}`}"`
}

/** Hostile bytes are shown as what they are, and not all of them. */
function shownHost(host: string): string {
  const text = JSON.stringify(host).slice(1, -1)
  // oxlint-disable-next-line no-control-regex -- only printable ASCII is shown
  const plain = text.replace(/[^\x20-\x7e]/g, '?')
  return plain.length > SHOWN_MAX ? `${plain.slice(0, SHOWN_MAX)}…` : plain
}
