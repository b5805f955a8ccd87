/**
 * What all adapters share: the bounded exchange, the normal form of an answer, and the one place
 * where what was thrown becomes a failure. An adapter only says how a request is written and how an
 * answer is read.
 */
import type { JsonValue, ModelRequest, ModelResponse, StopReason } from '../schema/index.ts'
import { conversationFault } from './conversation.ts'
import { modelFailure } from './errors.ts'
import { failureOf } from './http-failure.ts'
import type { Model, ModelOutcome, ModelWindow } from './model.ts'
import { nativeOf } from './native.ts'
import { costMicroUsd, type Price, type TokenCounts } from './prices.ts'
import { estimateRequestTokens, estimateTokens } from './tokens.ts'
import { openWire, type Wire } from './wire.ts'

/** What an adapter is made of. */
export interface HttpModelOptions {
  /** As in `provider/model`, and as events name it. */
  provider: string
  model: string
  /** Without a slash at its end. */
  baseUrl: string
  /** `undefined` for servers that want none. */
  apiKey: string | undefined
  price: Price | undefined
  window: ModelWindow
  fetch: typeof fetch
  /** `ms` without a byte after which an answer is given up. */
  idleMs: number
  /** Epoch `ms`; only for a `retry-after` that is a date. */
  now(): number
}

/** An answer as an adapter has read it. */
export interface Answer {
  text: string
  toolCalls: { id: string; name: string; args: JsonValue }[]
  stopReason: StopReason
  /** `undefined` when the server does not say. */
  tokens: (TokenCounts & { reasoning: number }) | undefined
  /** Blocks to send back unchanged; empty for none. */
  blocks: readonly JsonValue[]
}

export type Exchange = (request: ModelRequest, wire: Wire) => Promise<Answer>

export function createHttpModel(options: HttpModelOptions, exchange: Exchange): Model {
  const { provider, model, price, window, fetch, idleMs } = options
  return {
    provider,
    model,
    price,
    window,
    async generate(request, { signal }): Promise<ModelOutcome> {
      const fault = conversationFault(request.messages)
      if (fault !== undefined) return { ok: false, failure: modelFailure('bad_request', fault) }
      if (signal.aborted)
        return { ok: false, failure: modelFailure('cancelled', 'The call was cancelled') }
      const wire = openWire({ fetch, idleMs, signal })
      try {
        return { ok: true, response: responseOf(options, request, await exchange(request, wire)) }
      } catch (error) {
        return { ok: false, failure: failureOf(error, { wire, signal, options }) }
      } finally {
        wire.close()
      }
    },
  }
}

/** Over an estimate, where the server does not say what was used: never counted too low. */
const ESTIMATE_MARGIN = 1.35

function responseOf(
  { provider, model, price }: HttpModelOptions,
  request: ModelRequest,
  answer: Answer,
): ModelResponse {
  const { text, toolCalls, stopReason, blocks } = answer
  const { reasoning, ...tokens } = answer.tokens ?? estimated(request, answer)
  const cost = price === undefined ? 0 : costMicroUsd(tokens, price)
  const response: ModelResponse = {
    provider,
    model,
    text,
    toolCalls,
    stopReason: toolCalls.length > 0 && stopReason === 'end_turn' ? 'tool_calls' : stopReason,
    usage: { ...tokens, reasoning, costMicroUsd: cost },
  }
  return blocks.length === 0 ? response : { ...response, native: nativeOf(response, blocks) }
}

function estimated(request: ModelRequest, { text, toolCalls }: Answer) {
  const output = estimateTokens(`${text}${JSON.stringify(toolCalls)}`)
  return {
    inputUncached: Math.ceil(estimateRequestTokens(request) * ESTIMATE_MARGIN),
    cacheRead: 0,
    cacheWrite5m: 0,
    cacheWrite1h: 0,
    output: Math.ceil(output * ESTIMATE_MARGIN),
    reasoning: 0,
  }
}

/**
 * Arguments as a model wrote them. What is no JSON stays a text: the tool refuses it with its schema
 * and an example, which a model can act on.
 */
export function parseArgs(text: string): JsonValue {
  if (text.trim() === '') return {}
  try {
    // Whatever JSON.parse gives is JSON.
    return JSON.parse(text) as JsonValue
  } catch {
    return text
  }
}

/** The same arguments for a provider that takes objects only. */
export function objectArgs(args: JsonValue): { readonly [key: string]: JsonValue } {
  const isObject = args !== null && typeof args === 'object' && !Array.isArray(args)
  // An array was ruled out, which the readonly type of ours does not tell the compiler.
  return isObject ? (args as { readonly [key: string]: JsonValue }) : { invalid_arguments: args }
}
