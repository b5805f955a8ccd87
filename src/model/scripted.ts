/**
 * A model that answers from a script: deterministic, free, shipped. Tests, demos and recorded
 * examples run the whole machinery with it; it never pretends to be anything else.
 *
 * A turn whose expectation does not hold is a hard failure, and so is every call after it: a script
 * that has lost its place would only produce noise.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { JsonValue, ModelRequest, ModelResponse, Usage } from '../schema/index.ts'
import { classifyStatus, modelFailure, type ModelFailure } from './errors.ts'
import { DEFAULT_WINDOW, type Model, type ModelOutcome } from './model.ts'
import { costMicroUsd, type Price, PRICE_TABLE, priceOf } from './prices.ts'
import { mismatchesOf, showMismatches } from './script-match.ts'
import type { Reply, ScriptFile } from './script.ts'
import { estimateRequestTokens, estimateTokens } from './tokens.ts'

const PROVIDER = 'scripted'

export interface ScriptedOptions {
  /** Calls answered before by another process of the same run; 0 at the beginning. */
  callsBefore: number
}

/** A model that plays `script` turn by turn, each as often as its `times` says. */
export function createScriptedModel(script: ScriptFile, options: ScriptedOptions): Model {
  const { value, file } = script
  const model = value.model ?? 'script'
  const price = priceOfScript(model, value.price)
  const places = value.turns.flatMap((turn, index) =>
    Array.from({ length: turn.reply.times ?? 1 }, () => index),
  )
  let calls = options.callsBefore
  let lost: ModelFailure | undefined

  function next(request: ModelRequest): { reply: Reply; turn: number } | ModelFailure {
    const last = value.on_exhausted === 'repeat_last' ? places.at(-1) : undefined
    const turn = places[calls] ?? last
    const scripted = turn === undefined ? undefined : value.turns[turn]
    if (turn === undefined || scripted === undefined)
      return modelFailure(
        'script_exhausted',
        `"${file}" holds ${places.length} answers and call ${calls + 1} needs another one`,
      )
    const mismatches = mismatchesOf(scripted.expect ?? {}, request)
    if (mismatches.length === 0) return { reply: scripted.reply, turn }
    const { line, column } = script.locate(['turns', turn, 'expect'])
    const head = `${file}:${line}:${column}: turn ${turn + 1} does not fit what the model was sent`
    return modelFailure('script_mismatch', `${head}\n${showMismatches(mismatches)}`)
  }

  return {
    provider: PROVIDER,
    model,
    price,
    window: DEFAULT_WINDOW,
    async generate(request, { signal }): Promise<ModelOutcome> {
      if (lost !== undefined) return { ok: false, failure: lost }
      const found = next(request)
      if ('class' in found) {
        lost = found
        return { ok: false, failure: found }
      }
      calls += 1
      const { reply, turn } = found
      if (!(await waited(reply.delay, signal)))
        return { ok: false, failure: modelFailure('cancelled', 'The call was cancelled') }
      if (reply.error !== undefined) return { ok: false, failure: scriptedFailure(reply.error) }
      return { ok: true, response: responseOf(reply, { request, model, price, turn, calls }) }
    },
  }
}

/** False when `signal` aborted before the time was over. */
async function waited(ms: number | undefined, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false
  if (ms === undefined) return true
  return await delay(ms, true, { signal }).catch(() => false)
}

function scriptedFailure(error: NonNullable<Reply['error']>): ModelFailure {
  const { status, message, retry_after: retryAfterMs } = error
  const failureClass = error.class ?? classifyStatus(status ?? 500)
  const text = message ?? `The script answers with ${status ?? failureClass}`
  return { ...modelFailure(failureClass, text), status, retryAfterMs }
}

interface ReplyPlace {
  request: ModelRequest
  model: string
  price: Price | undefined
  turn: number
  calls: number
}

function responseOf(reply: Reply, place: ReplyPlace): ModelResponse {
  const text = reply.text ?? ''
  const toolCalls = (reply.tool_calls ?? []).map((call, index) => ({
    id: call.id ?? `script_${place.calls}_${index + 1}`,
    name: call.name,
    // zod's own JSON type allows what ours does; only `readonly` differs.
    args: (call.args ?? {}) as JsonValue,
  }))
  const stopReason = reply.stop ?? (toolCalls.length > 0 ? 'tool_calls' : 'end_turn')
  const output = estimateTokens(`${text}${JSON.stringify(toolCalls)}`)
  const usage = usageOf(reply.usage, { place, output })
  return { provider: PROVIDER, model: place.model, text, toolCalls, stopReason, usage }
}

/** What the script says was used, or an estimate where it says nothing. */
function usageOf(
  stated: Reply['usage'],
  { place, output }: { place: ReplyPlace; output: number },
): Usage {
  const tokens = {
    inputUncached: stated?.input ?? estimateRequestTokens(place.request),
    cacheRead: stated?.cache_read ?? 0,
    cacheWrite5m: stated?.cache_write ?? 0,
    cacheWrite1h: 0,
    output: stated?.output ?? output,
  }
  const cost = place.price === undefined ? 0 : costMicroUsd(tokens, place.price)
  return { ...tokens, reasoning: 0, costMicroUsd: cost }
}

function priceOfScript(
  model: string,
  stated: { input: number; output: number } | undefined,
): Price | undefined {
  if (stated === undefined) return priceOf(PRICE_TABLE, { provider: PROVIDER, model })
  const input = Math.round(stated.input * 1_000_000)
  const output = Math.round(stated.output * 1_000_000)
  return {
    inputUncached: input,
    cacheRead: input,
    cacheWrite5m: input,
    cacheWrite1h: input,
    output,
  }
}
