/**
 * The one decision. Blocked unless a rule allows; block > require_approval > allow, whatever the
 * order of the rules; every rule that decided is named. Whatever goes wrong while deciding blocks.
 */
import type { DecisionKind, Level, PolicyDecision, PolicyRequest } from '../schema/index.ts'
import { BUILTIN_RULES } from './builtin-rules.ts'
import { compilePolicy } from './compiled-policy.ts'
import type { Policy } from './policy.ts'
import { builtinApplies, factsOf, ruleApplies } from './rule-conditions.ts'

const STRENGTH: readonly DecisionKind[] = ['allow', 'require_approval', 'block']
const LEVELS: readonly Level[] = ['none', 'risky', 'critical']
/** Characters */
const REASON_MAX = 1000

interface Match {
  id: string
  decision: DecisionKind
  level: Level
  reason: string
}

/** Pure and total: it never throws, and nothing but its arguments matters. */
export function evaluate(policy: Policy, request: PolicyRequest): PolicyDecision {
  const { capability } = request
  try {
    return decide(capability, matchesOf(policy, request))
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    const reason = `The policy could not be evaluated: ${detail}`
    return { decision: 'block', level: 'none', capability, matched: ['builtin:error'], reason }
  }
}

function decide(
  capability: PolicyDecision['capability'],
  matches: readonly Match[],
): PolicyDecision {
  const decision = strongest(
    STRENGTH,
    matches.map((match) => match.decision),
  )
  if (decision === undefined) {
    const reason = `No rule allows ${capability}`
    return { decision: 'block', level: 'none', capability, matched: ['builtin:default'], reason }
  }
  const deciding = matches
    .filter((match) => match.decision === decision)
    .sort((a, b) => (a.id < b.id ? -1 : 1))
  return {
    decision,
    level:
      strongest(
        LEVELS,
        deciding.map(({ level }) => level),
      ) ?? 'none',
    capability,
    matched: deciding.map(({ id }) => id),
    reason: deciding
      .map(({ reason }) => reason)
      .join('; ')
      .slice(0, REASON_MAX),
  }
}

function matchesOf(policy: Policy, request: PolicyRequest): Match[] {
  const facts = factsOf(policy, compilePolicy(policy), request)
  const builtin = BUILTIN_RULES.filter((rule) => builtinApplies(rule, facts))
  const own = policy.rules
    .filter((rule) => ruleApplies(rule, facts))
    .map(({ id, capability, decision, level, reason }): Match => ({
      id,
      decision,
      level: level ?? (decision === 'require_approval' ? 'risky' : 'none'),
      reason: reason ?? `Rule "${id}" says ${decision} for ${capability}`,
    }))
  return [...builtin, ...own]
}

function strongest<T>(order: readonly T[], present: readonly T[]): T | undefined {
  return order.findLast((each) => present.includes(each))
}
