/**
 * What a policy would say to things that were decided under another one. It decides with the very
 * functions that decide for real; what a record does not hold (paths of requests, addresses) it
 * takes as permitted and leaves to the run.
 */
import type { DecisionKind, PolicyRequest } from '../schema/index.ts'
import { evaluate } from './evaluate.ts'
import { isWider } from './modes.ts'
import { decideNetwork, decideRequest, networkList } from './network.ts'
import type { Policy } from './policy.ts'

/** A decision that a run recorded. */
export interface RecordedDecision {
  request: PolicyRequest
  was: DecisionKind
  /** Of a plain request to a host. */
  method: string | undefined
}

export interface Simulated {
  now: DecisionKind
  rule: string
  reason: string
  remedy: string
}

/** Pure; never throws. */
export function simulate(policy: Policy, { request, method }: RecordedDecision): Simulated {
  if (isWider(request.mode, policy.sandbox))
    return {
      now: 'block',
      rule: 'sandbox',
      reason: `Mode ${request.mode} is wider than the policy permits (${policy.sandbox})`,
      remedy: `Set "sandbox: ${request.mode}"`,
    }
  const { resource } = request
  if (resource.kind === 'host') return network(policy, request, method)
  const { decision, matched, reason } = evaluate(policy, request)
  return { now: decision, rule: matched.join(', '), reason, remedy: '' }
}

function network(
  policy: Policy,
  { resource, mode, stage }: PolicyRequest,
  method: string | undefined,
): Simulated {
  if (resource.kind !== 'host') return { now: 'allow', rule: '', reason: '', remedy: '' }
  const list = networkList(policy, { mode, stage, network: undefined })
  const decision = decideNetwork(list, resource)
  if (!decision.allow) return { now: 'block', ...told(decision) }
  const allowed = { now: 'allow', rule: decision.rule, reason: '', remedy: '' } as const
  if (decision.requests === 'all') return allowed
  // A tunnel hid its requests then; under such an entry they would be seen.
  if (method === undefined) return allowed
  const hasPaths = policy.network.entries.some(({ paths }) => paths.length > 0)
  const asked = decideRequest(list, decision, { method, target: '/' })
  return asked.allow || hasPaths ? allowed : { now: 'block', ...told(asked) }
}

function told({ rule, reason, remedy }: { rule: string; reason: string; remedy: string }) {
  return { rule, reason, remedy }
}
