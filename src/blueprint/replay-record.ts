/** The model and the tools of an agent stage, as its record holds them. */
import { z } from 'zod'
import { type CallPort, REAL_CALLS } from '../actions/index.ts'
import {
  DEFAULT_WINDOW,
  FAILURE_TABLE,
  type Model,
  type ModelFailureClass,
  modelFailure,
} from '../model/index.ts'
import {
  canonicalJson,
  type Event,
  Message,
  ModelResponse,
  PolicyDecision,
  StopReason,
  Usage,
} from '../schema/index.ts'
import {
  findToolset,
  type RunCall,
  type Tool,
  type ToolContext,
  type ToolResult,
} from '../tools/index.ts'
import type { FrozenRun } from './frozen-run.ts'

/** The record holds no more. */
export class RecordEnds extends Error {}

interface Recorded {
  frozen: FrozenRun
  /** Of one attempt, in order. */
  events: readonly Event[]
}

type Said = Extract<Message, { role: 'assistant' }>
type Told = Extract<Message, { role: 'tool' }>

const MicroUsd = z.number().int().nonnegative()
const PriceShape = z.object({
  inputUncached: MicroUsd,
  cacheRead: MicroUsd,
  cacheWrite5m: MicroUsd,
  cacheWrite1h: MicroUsd,
  output: MicroUsd,
})
const Opening = z.object({ kind: z.literal('opening'), price: PriceShape.optional() })

interface Talk {
  price: z.infer<typeof PriceShape> | undefined
  said: Said[]
  told: Told[]
}

export function messagesOf(transcript: Uint8Array): Talk {
  const talk: Talk = { price: undefined, said: [], told: [] }
  for (const line of Buffer.from(transcript).toString().trim().split('\n')) {
    const value: unknown = JSON.parse(line)
    talk.price ??= Opening.safeParse(value).data?.price
    const message = Message.safeParse(value).data
    if (message?.role === 'assistant') talk.said.push(message)
    if (message?.role === 'tool') talk.told.push(message)
  }
  return talk
}

const Invocation = z.object({
  ok: z.boolean(),
  provider: z.string(),
  model: z.string(),
  usage: Usage.optional(),
  stop_reason: StopReason.optional(),
  class: z
    .string()
    .refine((name): name is ModelFailureClass => Object.hasOwn(FAILURE_TABLE, name))
    .optional(),
  charged: z.enum(['no', 'unknown']).optional(),
  status: z.number().optional(),
  message: z.string().optional(),
  retry_after_ms: z.number().optional(),
})

/** Answers call after call as it is recorded, failures among them. */
export function recordedModel({ events, frozen }: Recorded, { said, price }: Talk): Model {
  const invocations = events
    .filter(({ type }) => type === 'model_invocation')
    .map(({ payload }) => Invocation.parse(payload))
  const left = [...said]
  const [first] = invocations
  const { model: choice } = frozen.snapshot
  return {
    provider: first?.provider ?? choice?.provider ?? 'scripted',
    model: first?.model ?? choice?.model ?? 'script',
    price,
    window: DEFAULT_WINDOW,
    async generate() {
      const next = invocations.shift()
      if (next === undefined) throw new RecordEnds()
      const { class: failureClass = 'cancelled', message = '', status, charged, ...rest } = next
      if (!next.ok) {
        const base = modelFailure(failureClass, message)
        const retryAfterMs = rest.retry_after_ms
        return {
          ok: false,
          failure: { ...base, status, retryAfterMs, charged: charged ?? base.charged },
        }
      }
      const answer = left.shift()
      if (answer === undefined) throw new RecordEnds()
      const { text, toolCalls, native } = answer
      const response = ModelResponse.parse({
        provider: next.provider,
        model: next.model,
        text,
        toolCalls,
        stopReason: next.stop_reason,
        usage: next.usage,
        ...(native !== undefined && { native }),
      })
      return { ok: true, response }
    },
  }
}

const Called = z.object({
  call: z.string(),
  output_bytes: z.number(),
  output_sha256: z.string().optional(),
  failure: z
    .enum([
      'unknown_tool',
      'bad_arguments',
      'policy_blocked',
      'approval_required',
      'timed_out',
      'tool_failed',
    ])
    .optional(),
})

/** Results in the order in which they were recorded, which is that of the calls. */
export function recordedCalls({ events }: Pick<Recorded, 'events'>, { told }: Talk): CallPort {
  const called = events
    .filter(({ type }) => type === 'tool_call')
    .map(({ payload }) => Called.parse(payload))
  const results = told.map((message, index) => ({ message, facts: called[index] }))
  return {
    async run(context, prepared) {
      if (prepared.tool.name === 'finish') return await REAL_CALLS.run(context, prepared)
      const output = { ok: true, text: '' }
      const { call, tool } = prepared
      return { call, tool, output, failure: undefined, durationMs: 0 }
    },
    async settle(context, run: RunCall): Promise<ToolResult> {
      if (run.tool.name === 'finish') return await REAL_CALLS.settle(context, run)
      const index = results.findIndex(({ message }) => message.callId === run.call.id)
      const [found] = index === -1 ? [] : results.splice(index, 1)
      if (found?.facts === undefined) throw new RecordEnds()
      const { message, facts } = found
      return {
        callId: message.callId,
        name: message.name,
        ok: message.ok,
        failure: facts.failure,
        text: message.text,
        kept:
          facts.output_sha256 === undefined ? undefined : { id: '', sha256: facts.output_sha256 },
        outputBytes: facts.output_bytes,
        finish: undefined,
        durationMs: 0,
      }
    },
  }
}

const Checked = PolicyDecision.extend({ subject: z.string(), resource: z.unknown() })

/** Only the gate is asked; whatever else a tool would use is not reached. */
export function recordedTools({
  toolset,
  extras,
  events,
}: {
  toolset: string
  extras: readonly Tool[]
  events: readonly Event[]
}): ToolContext {
  const decisions = events
    .filter(({ type }) => type === 'policy_check')
    .map(({ payload }) => Checked.parse(payload))
  const unreachable = (): never => {
    throw new Error('A replay reached for the world')
  }
  const sandbox = new Proxy({}, { get: unreachable })
  return {
    toolset: findToolset(toolset),
    extras,
    // Every member refuses.
    sandbox: sandbox as ToolContext['sandbox'],
    async gate({ capability, subject, resource }) {
      const wanted = canonicalJson({ capability, subject, resource })
      const index = decisions.findIndex(
        (each) =>
          canonicalJson({
            capability: each.capability,
            subject: each.subject,
            resource: each.resource,
          }) === wanted,
      )
      const [found] = index === -1 ? [] : decisions.splice(index, 1)
      if (found === undefined) throw new RecordEnds()
      return PolicyDecision.parse(found)
    },
    mayRead: unreachable,
    changes: unreachable,
    patch: unreachable,
    log: unreachable,
    runAction: unreachable,
    saveOutput: unreachable,
    readArtifact: unreachable,
    signal: new AbortController().signal,
    now: () => 0,
  }
}
