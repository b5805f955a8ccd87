import type { Capability, PolicyRule } from '../schema/index.ts'
import { checkGlobs, checkHosts, type Complaint } from './complaint.ts'

/** The conditions that only some capabilities can meet. */
const CONDITION_CAPABILITIES = {
  path: ['repo_read', 'repo_write'],
  argv: ['shell_exec', 'process_exec'],
  host: ['network_access'],
} as const satisfies Record<string, readonly Capability[]>

const CONDITIONS = ['mode', 'stage', 'subject', 'path', 'argv', 'host'] as const

export function checkRules(rules: readonly PolicyRule[]): Complaint[] {
  const first = new Map<string, number>()
  return rules.flatMap((rule, i) => {
    const at = first.get(rule.id)
    first.set(rule.id, at ?? i)
    const message = `Duplicate rule id "${rule.id}" (first used by rule ${(at ?? 0) + 1})`
    const duplicate = { code: 'duplicate_rule', message, path: ['rules', i, 'id'] }
    return [...(at === undefined ? [] : [duplicate]), ...checkWhen(rule, ['rules', i, 'when'])]
  })
}

function checkWhen({ id, capability, when }: PolicyRule, path: PropertyKey[]): Complaint[] {
  if (when === undefined) return []
  const empty = CONDITIONS.filter((name) => when[name]?.length === 0).map((name) => ({
    code: 'empty_condition',
    message: `Rule "${id}": when.${name} is empty, so the rule never applies`,
    path: [...path, name],
  }))
  return [
    ...empty,
    ...impossible(id, capability, when, path),
    ...checkGlobs(when.path ?? [], [...path, 'path']),
    ...checkHosts(when.host ?? [], [...path, 'host']),
  ]
}

function impossible(
  id: string,
  capability: Capability,
  when: NonNullable<PolicyRule['when']>,
  path: PropertyKey[],
): Complaint[] {
  return Object.entries(CONDITION_CAPABILITIES).flatMap(([name, capabilities]) => {
    const present = name in when
    if (!present || capabilities.some((each) => each === capability)) return []
    const message = `Rule "${id}": when.${name} never applies to ${capability} (only to ${capabilities.join(', ')})`
    return [{ code: 'condition_never_applies', message, path: [...path, name] }]
  })
}
