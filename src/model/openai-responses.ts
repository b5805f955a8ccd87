/**
 * OpenAI's Responses. Nothing is kept at the provider (`store: false`), so reasoning comes back
 * encrypted and is sent again beside the call or message it belongs to, unchanged.
 */
import { z } from 'zod'
import type { JsonObject, Message, ModelRequest } from '../schema/index.ts'
import { turnsOf } from './conversation.ts'
import { cutShort, ExchangeError } from './http-failure.ts'
import { type Answer, createHttpModel, type HttpModelOptions, parseArgs } from './http-model.ts'
import type { Model } from './model.ts'
import { ownBlocks } from './native.ts'
import { openOpenAi, streamOf, toolsByName } from './openai-client.ts'

/** Families that do not reason, and refuse to be asked for what they reasoned. */
const WITHOUT_REASONING = /^(chatgpt|gpt-3|gpt-4)/

export function createOpenAiResponsesModel(options: HttpModelOptions): Model {
  return createHttpModel(options, async (request, wire) => {
    const client = await openOpenAi(options, wire)
    const body = {
      model: options.model,
      instructions: request.system,
      input: inputOf(request.messages, options),
      tools: toolsByName(request).map(({ name, description, parameters }) => ({
        type: 'function',
        name,
        description,
        parameters,
        strict: false,
      })),
      max_output_tokens: request.maxOutputTokens,
      store: false,
      stream: true,
      ...(!WITHOUT_REASONING.test(options.model) && { include: ['reasoning.encrypted_content'] }),
    }
    const { signal } = wire
    return await readResponse(streamOf(client.post('/responses', { body, stream: true, signal })))
  })
}

function inputOf(messages: ModelRequest['messages'], maker: HttpModelOptions): unknown[] {
  return turnsOf(messages).flatMap(({ said, results, texts }) => [
    ...(said === undefined ? [] : (ownBlocks(said, maker) ?? plainItems(said))),
    ...results.map(({ callId, text }) => ({
      type: 'function_call_output',
      call_id: callId,
      output: text,
    })),
    ...texts.map((text) => ({ role: 'user', content: [{ type: 'input_text', text }] })),
  ])
}

/** An answer that another model gave. */
function plainItems({ text, toolCalls }: Extract<Message, { role: 'assistant' }>): unknown[] {
  const said = { role: 'assistant', content: [{ type: 'output_text', text }] }
  const calls = toolCalls.map(({ id, name, args }) => ({
    type: 'function_call',
    call_id: id,
    name,
    arguments: typeof args === 'string' ? args : JSON.stringify(args),
  }))
  return text === '' ? calls : [said, ...calls]
}

const Item = z.looseObject({
  type: z.string(),
  call_id: z.string().optional(),
  name: z.string().optional(),
  arguments: z.string().optional(),
  content: z
    .array(
      z.looseObject({
        type: z.string(),
        text: z.string().optional(),
        refusal: z.string().optional(),
      }),
    )
    .nullish(),
})
const Usage = z.looseObject({
  input_tokens: z.number().int().nonnegative(),
  output_tokens: z.number().int().nonnegative(),
  input_tokens_details: z.looseObject({ cached_tokens: z.number().int().optional() }).nullish(),
  output_tokens_details: z.looseObject({ reasoning_tokens: z.number().int().optional() }).nullish(),
})
const Final = z.looseObject({
  output: z.array(Item).optional(),
  usage: Usage.nullish(),
  incomplete_details: z.looseObject({ reason: z.string().optional() }).nullish(),
  error: z.looseObject({ code: z.string().nullish(), message: z.string().nullish() }).nullish(),
})
const StreamEvent = z.looseObject({
  type: z.string(),
  item: Item.optional().catch(undefined),
  response: Final.optional().catch(undefined),
})

async function readResponse(events: AsyncIterable<unknown>): Promise<Answer> {
  const items: z.infer<typeof Item>[] = []
  for await (const raw of events) {
    const { type, item, response } = StreamEvent.parse(raw)
    if (type === 'response.output_item.done' && item !== undefined) items.push(item)
    if (type === 'response.failed' || type === 'error') throw failed(response?.error)
    if (type !== 'response.completed' && type !== 'response.incomplete') continue
    if (response === undefined)
      throw new ExchangeError('invalid_response', 'The last event holds no response')
    return answerOf(response.output?.length ? response.output : items, response)
  }
  throw cutShort()
}

const FAILED_CLASS = {
  rate_limit_exceeded: 'rate_limited',
  insufficient_quota: 'quota_exhausted',
  context_length_exceeded: 'too_large',
} as const

function failed(error: z.infer<typeof Final>['error']): ExchangeError {
  const code = error?.code ?? ''
  const named = Object.entries(FAILED_CLASS).find(([name]) => name === code)?.[1]
  return new ExchangeError(named ?? 'server_error', error?.message ?? 'The response failed')
}

function answerOf(items: z.infer<typeof Item>[], final: z.infer<typeof Final>): Answer {
  const parts = items.flatMap(({ type, content }) => (type === 'message' ? (content ?? []) : []))
  const refusals = parts.flatMap(({ refusal }) => refusal ?? [])
  const why = final.incomplete_details?.reason
  const stopReason =
    refusals.length > 0 || why === 'content_filter'
      ? 'refusal'
      : why === undefined
        ? 'end_turn'
        : 'max_tokens'
  const calls = items.filter(({ type }) => type === 'function_call')
  return {
    text: [...parts.flatMap(({ text }) => text ?? []), ...refusals].join(''),
    toolCalls: calls.map(({ call_id: id = '', name = '', arguments: args = '' }) => ({
      id,
      name,
      args: parseArgs(args),
    })),
    stopReason,
    tokens: tokensOf(final.usage ?? undefined),
    // Came out of JSON, and zod only looked at it.
    blocks: items as unknown as JsonObject[],
  }
}

/** Input counts what was cached, too. */
function tokensOf(usage: z.infer<typeof Usage> | undefined): Answer['tokens'] {
  if (usage === undefined) return undefined
  const cacheRead = Math.min(usage.input_tokens_details?.cached_tokens ?? 0, usage.input_tokens)
  return {
    inputUncached: usage.input_tokens - cacheRead,
    cacheRead,
    cacheWrite5m: 0,
    cacheWrite1h: 0,
    output: usage.output_tokens,
    reasoning: usage.output_tokens_details?.reasoning_tokens ?? 0,
  }
}
