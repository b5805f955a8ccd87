/** What the program decides at each event of a record, decided again. */
import { evaluate } from '../policy/index.ts'
import {
  canonicalJson,
  type Event,
  type EventType,
  hashJson,
  type JsonObject,
  PolicyRequest,
} from '../schema/index.ts'
import type { FrozenRun } from './frozen-run.ts'
import { createAgentReplays, type ReplayInput } from './replay-stage.ts'
import { createReplayState } from './replay-state.ts'
import type { Expected } from './replay-expected.ts'

type Promised<T> = T | Promise<T>

export interface Decider {
  /** `undefined` for what only the world decides. */
  expect(event: Event): Promise<Expected | undefined>
  /** The event fits and counts from now on. */
  take(event: Event): void
  agents(): number
  notes: string[]
}

export function createDecider(input: ReplayInput): Decider {
  const { frozen, run } = input
  const { plan } = frozen
  const state = createReplayState(plan, run)
  const notes: string[] = []
  const seen: Event[] = []
  const agents = createAgentReplays(input, { seen, notes })

  const deciders: Partial<Record<EventType, (event: Event) => Promised<Expected | undefined>>> = {
    run_created: () => ({ payload: createdPayload(input), whole: false }),
    run_started: () => ({ payload: { blueprint: plan.name }, whole: true }),
    async step_started(event) {
      await agents.begin(event)
      return state.expectStep()
    },
    policy_check: (event) => expectCheck(frozen, event),
    model_invocation: agents.expect,
    tool_call: agents.expect,
    context_view: agents.expect,
    step_completed: agents.expectEnd,
    run_completed: (event) => state.expectEnd(event),
  }

  return {
    notes,
    agents: agents.count,
    async expect(event) {
      return await deciders[event.type]?.(event)
    },
    take(event) {
      seen.push(event)
      state.take(event)
    },
  }
}

function createdPayload({ run, frozen }: ReplayInput): JsonObject {
  const { plan, policy, image } = frozen
  return {
    blueprint: plan.name,
    task: run.request.task.slice(0, 4000),
    ...(run.baseCommit !== undefined && { base_commit: run.baseCommit }),
    ...(run.baseTree !== undefined && { base_tree: run.baseTree }),
    policy: hashJson(frozen.snapshot),
    image: image.name,
    wall_ms: Math.min(policy.limits.wall, plan.limits.max_wall),
    stages: plan.stages.map(({ id }) => id),
  }
}

/** Asked again, unless a person or the blueprint had a word in it, or the request is only known by hash. */
function expectCheck({ policy }: FrozenRun, { payload, stage }: Event): Expected | undefined {
  const { subject, capability, resource, mode, matched } = payload
  const request = PolicyRequest.safeParse({ subject, capability, resource, mode, stage })
  const isShort = canonicalJson(resource ?? null).includes('"argv_hash"')
  const isAsked = canonicalJson(matched ?? null)
  if (!request.success || isShort) return undefined
  const decision = evaluate(policy, request.data)
  if (/"(builtin:approval|blueprint:|toolset:)/.test(isAsked))
    // Nobody can allow what policy blocks.
    return decision.decision === 'block' ? { payload: { ...decision }, whole: false } : undefined
  const shown = { subject, capability, resource, mode }
  const kept = Object.fromEntries(Object.entries(shown).filter(([, value]) => value !== undefined))
  return { payload: { ...decision, ...(kept as JsonObject) }, whole: true }
}
