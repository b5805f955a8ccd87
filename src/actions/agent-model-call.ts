/**
 * One answer of the model: its worst case is reserved first, its true cost settled after, every
 * retry and its outcome told. What comes back is hostile until it has been checked.
 */
import { ModelResponse, type ModelRequest } from '../schema/index.ts'
import {
  estimateRequestTokens,
  generateWithRetry,
  type Model,
  modelFailure,
  type ModelFailure,
  type ModelOutcome,
  usageTokens,
  worstCostMicroUsd,
} from '../model/index.ts'
import { traced } from '../events/index.ts'
import { withDeadline, withinDepth } from '../tools/index.ts'
import { answeredEvent, failedEvent, retryEvent } from './agent-events.ts'
import type { AgentDeps } from './agent-stage.ts'
import type { Budget, Exceeded, Spend } from './budget.ts'

/** `ms` for one answer with all its retries. */
const CALL_TIMEOUT_MS = 600_000
/** Over the estimate of input tokens, which may be a little low. */
export const INPUT_MARGIN = 1.1
/** Less room for an answer than this is not worth a call. */
const OUTPUT_TOKENS_MIN = 64
const RESPONSE_BYTES_MAX = 8 * 1024 * 1024
const ARGS_DEPTH_MAX = 64

export type ModelTurn =
  | { kind: 'answered'; response: ModelResponse }
  | { kind: 'failed'; failure: ModelFailure }
  | { kind: 'exceeded'; exceeded: Exceeded }
  | { kind: 'unpriced' }

/** What estimates of input tokens are multiplied by; learned from what the model was charged for. */
export interface InputMeter {
  factor: number
}

export interface ModelCallOptions {
  budget: Budget
  meter: InputMeter
  signal: AbortSignal
}

/** Throws only the reason of an abort. */
export async function askModel(
  deps: AgentDeps,
  wanted: ModelRequest,
  { budget, signal, meter }: ModelCallOptions,
): Promise<ModelTurn> {
  const { model, record } = deps
  if (model.price === undefined) return { kind: 'unpriced' }
  const estimate = estimateRequestTokens(wanted)
  const input = Math.ceil(estimate * meter.factor)
  const room = budget.remaining().tokens - input
  const output = Math.min(wanted.maxOutputTokens, Math.max(room, OUTPUT_TOKENS_MIN))
  const request = { ...wanted, maxOutputTokens: output }
  const worst = {
    turns: 1,
    tokens: input + output,
    costMicroUsd: worstCostMicroUsd({ input, output }, model.price),
  }
  const reserved = budget.reserve(worst)
  if (!reserved.ok) return { kind: 'exceeded', exceeded: reserved.exceeded }
  const started = deps.now()
  let outcome: ModelOutcome = { ok: false, failure: modelFailure('cancelled', 'Cancelled') }
  const calls = [reserved.reservation]
  let lacking: Exceeded | undefined
  /** What may have been charged stays reserved, and the next call needs room of its own. */
  const another = (failure: ModelFailure) => {
    if (failure.charged === 'no') return true
    const more = budget.reserve({ ...worst, turns: 0 })
    if (more.ok) calls.push(more.reservation)
    else lacking = more.exceeded
    return more.ok
  }
  try {
    const facts = { 'gen_ai.provider.name': model.provider, 'gen_ai.request.model': model.model }
    outcome = await traced({ name: 'model call', facts, partOf: 'here' }, async (add) => {
      const answered = await generate(deps, request, { signal, another })
      add(spanFactsOf(answered))
      return answered
    })
  } finally {
    const last = calls.pop()
    for (const [index, lost] of calls.entries())
      lost.settle({ ...worst, turns: index === 0 ? 1 : 0 })
    last?.settle({ ...spendOf(outcome, worst), turns: calls.length === 0 ? 1 : 0 })
  }
  if (lacking !== undefined) {
    if (!outcome.ok) record(failedEvent(request, model, outcome.failure))
    return { kind: 'exceeded', exceeded: lacking }
  }
  if (!outcome.ok) {
    record(failedEvent(request, model, outcome.failure))
    return { kind: 'failed', failure: outcome.failure }
  }
  const { response } = outcome
  const charged = usageTokens(response.usage) - response.usage.output
  meter.factor = Math.max(INPUT_MARGIN, (charged / Math.max(1, estimate)) * INPUT_MARGIN)
  record(answeredEvent(request, { response, durationMs: deps.now() - started }))
  return { kind: 'answered', response }
}

async function generate(
  { model, retry, random, sleep, record }: AgentDeps,
  request: ModelRequest,
  { signal, another }: { signal: AbortSignal; another(failure: ModelFailure): boolean },
): Promise<ModelOutcome> {
  const answer = await withDeadline({ timeoutMs: CALL_TIMEOUT_MS, signal }, (inner) =>
    generateWithRetry(checked(model), request, {
      policy: retry,
      signal: inner,
      random,
      sleep,
      onRetry(again) {
        if (!another(again.failure)) return false
        record(retryEvent(request, model, again))
        return true
      },
    }),
  )
  if (answer.kind === 'done') return answer.value
  const message = `No answer came within ${CALL_TIMEOUT_MS} ms`
  return { ok: false, failure: modelFailure('timed_out', message) }
}

function spanFactsOf(outcome: ModelOutcome) {
  if (!outcome.ok) return { 'error.type': outcome.failure.class }
  const { usage } = outcome.response
  return {
    'gen_ai.usage.input_tokens': usageTokens(usage) - usage.output,
    'gen_ai.usage.output_tokens': usage.output,
  }
}

/** What an answer is counted as; one that may have been charged for counts as the worst case. */
function spendOf(outcome: ModelOutcome, worst: Partial<Spend>): Partial<Spend> {
  if (outcome.ok) {
    const { usage } = outcome.response
    return { turns: 1, tokens: usageTokens(usage), costMicroUsd: usage.costMicroUsd }
  }
  return outcome.failure.charged === 'no' ? { turns: 1 } : worst
}

/** The same model, whose malformed answers are failures that can be tried again. */
function checked(model: Model): Model {
  return {
    provider: model.provider,
    model: model.model,
    price: model.price,
    window: model.window,
    async generate(request, options) {
      const outcome = await model.generate(request, options)
      const fault = outcome.ok ? faultOf(outcome.response) : undefined
      return fault === undefined
        ? outcome
        : { ok: false, failure: modelFailure('invalid_response', fault) }
    },
  }
}

function faultOf(response: ModelResponse): string | undefined {
  // Before anything that recurses or copies.
  if (!withinDepth(response, ARGS_DEPTH_MAX))
    return `The answer nests deeper than ${ARGS_DEPTH_MAX}`
  const parsed = ModelResponse.safeParse(response)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    return `The answer is not of the agreed form: ${issue?.path.join('.')}: ${issue?.message}`
  }
  const size = Buffer.byteLength(JSON.stringify(response))
  if (size > RESPONSE_BYTES_MAX) return `The answer has ${size} bytes`
  const ids = response.toolCalls.map(({ id }) => id)
  if (ids.includes('') || new Set(ids).size < ids.length)
    return 'Two tool calls of the answer have the same id, or one has none'
  return undefined
}
