/** Whether a rule applies to one request. What forbids matches loosely, what permits exactly. */
import type { PolicyRequest, PolicyRule } from '../schema/index.ts'
import type { BuiltinRule, Condition } from './builtin-rules.ts'
import type { CompiledPolicy } from './compiled-policy.ts'
import type { Policy } from './policy.ts'
import { canonicalHost, type Host } from './host.ts'
import { matchesHost } from './host-pattern.ts'
import { normalRepoPath, touchesGitMetadata } from './repo-path.ts'

/** A request with its resource in normal form; computed once for all rules. */
export interface Facts {
  request: PolicyRequest
  policy: Policy
  compiled: CompiledPolicy
  /** `undefined` when the request is about no path; `outside` when no path of the repository. */
  path: { inside: string } | 'outside' | undefined
  target: { host: Host; port: number } | undefined
}

export function factsOf(policy: Policy, compiled: CompiledPolicy, request: PolicyRequest): Facts {
  const { resource } = request
  const facts: Facts = { request, policy, compiled, path: undefined, target: undefined }
  if (resource.kind === 'path') {
    const inside = normalRepoPath(resource.path)
    return { ...facts, path: inside === undefined ? 'outside' : { inside } }
  }
  if (resource.kind !== 'host') return facts
  const host = canonicalHost(resource.host)
  return host === undefined ? facts : { ...facts, target: { host, port: resource.port } }
}

export function builtinApplies(rule: BuiltinRule, facts: Facts): boolean {
  const { request } = facts
  if (!rule.capabilities.includes(request.capability)) return false
  return rule.modes.includes(request.mode) && CONDITIONS[rule.condition](facts)
}

export function ruleApplies(rule: PolicyRule, facts: Facts): boolean {
  const { request } = facts
  if (rule.capability !== request.capability) return false
  const { when } = rule
  if (when === undefined) return true
  return (
    isNamed(when.mode, request.mode) &&
    isNamed(when.stage, request.stage) &&
    isNamed(when.subject, request.subject) &&
    (when.path === undefined || rulePathApplies(rule, facts)) &&
    (when.host === undefined || ruleHostApplies(rule, facts)) &&
    (when.argv === undefined || argvApplies(when.argv, facts))
  )
}

const CONDITIONS: Readonly<Record<Condition, (facts: Facts) => boolean>> = {
  always: () => true,
  asked_by_run_command: ({ request }) => request.subject === 'run_command',
  host_listed: isListed,
  host_not_listed: (facts) => !isListed(facts) && !isAudited(facts),
  network_audited: isAudited,
  host_denied: ({ compiled, target }) =>
    target !== undefined && compiled.deny.some((p) => matchesHost(p, target, 'any_port')),
  // Asked about no secret in particular, as an explanation is: whether there is any.
  secret_bound: ({ policy: { secrets }, request: { resource } }) =>
    resource.kind === 'name'
      ? secrets.some(({ name }) => name === resource.name)
      : resource.kind === 'none' && secrets.length > 0,
  path_outside: ({ path }) => path === 'outside',
  path_git_metadata: (facts) => insideAnd(facts, touchesGitMetadata),
  path_deny_read: (facts) => insideAnd(facts, facts.compiled.paths.deny_read.loosely),
  path_deny_write: (facts) => insideAnd(facts, facts.compiled.paths.deny_write.loosely),
  path_read_only: (facts) => insideAnd(facts, facts.compiled.paths.read_only.loosely),
  path_not_writable: (facts) =>
    facts.policy.paths.write_only.length > 0 &&
    insideAnd(facts, (path) => !facts.compiled.paths.write_only.exactly(path)),
}

function insideAnd({ path }: Facts, holds: (path: string) => boolean): boolean {
  return typeof path === 'object' && holds(path.inside)
}

function isNamed(names: readonly string[] | undefined, name: string): boolean {
  return names === undefined || names.includes(name)
}

function isListed({ compiled, target }: Facts): boolean {
  return target !== undefined && compiled.allow.some((p) => matchesHost(p, target, 'default_ports'))
}

/** A host that cannot be read is none that could be recorded. */
function isAudited({ policy, request, target }: Facts): boolean {
  return (
    policy.network.mode === 'audit' && (request.resource.kind !== 'host' || target !== undefined)
  )
}

function rulePathApplies({ id, decision }: PolicyRule, { compiled, path }: Facts): boolean {
  if (typeof path !== 'object') return false
  const matcher = compiled.rulePaths.get(id)
  if (matcher === undefined) throw new TypeError(`Rule "${id}" was not compiled`)
  return decision === 'allow' ? matcher.exactly(path.inside) : matcher.loosely(path.inside)
}

function ruleHostApplies({ id, decision }: PolicyRule, { compiled, target }: Facts): boolean {
  if (target === undefined) return false
  const patterns = compiled.ruleHosts.get(id)
  if (patterns === undefined) throw new TypeError(`Rule "${id}" was not compiled`)
  const reading = decision === 'allow' ? 'default_ports' : 'any_port'
  return patterns.some((pattern) => matchesHost(pattern, target, reading))
}

function argvApplies(prefixes: readonly (readonly string[])[], { request }: Facts): boolean {
  const { resource } = request
  if (resource.kind !== 'argv') return false
  return prefixes.some((prefix) => prefix.every((word, i) => resource.argv[i] === word))
}
