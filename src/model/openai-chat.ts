/** Chat Completions, at OpenAI or at any server that speaks them: llama.cpp, vLLM, gateways. */
import { z } from 'zod'
import type { ModelRequest, StopReason } from '../schema/index.ts'
import { turnsOf } from './conversation.ts'
import { cutShort, ExchangeError } from './http-failure.ts'
import { type Answer, createHttpModel, type HttpModelOptions, parseArgs } from './http-model.ts'
import type { Model } from './model.ts'
import { openOpenAi, streamOf, toolsByName } from './openai-client.ts'

/** Calls of one answer that are kept apart. */
const CALLS_MAX = 128

export function createOpenAiChatModel(options: HttpModelOptions): Model {
  return createHttpModel(options, async (request, wire) => {
    const client = await openOpenAi(options, wire)
    const tools = toolsByName(request).map(({ name, description, parameters }) => ({
      type: 'function',
      function: { name, description, parameters },
    }))
    // OpenAI itself knows the old name for old models only, the others often know nothing else.
    const limit = new URL(options.baseUrl).hostname.endsWith('.openai.com')
      ? { max_completion_tokens: request.maxOutputTokens }
      : { max_tokens: request.maxOutputTokens }
    const body = {
      model: options.model,
      messages: messagesOf(request),
      ...(tools.length > 0 && { tools }),
      ...limit,
      stream: true,
      stream_options: { include_usage: true },
    }
    const { signal } = wire
    const events = streamOf(client.post('/chat/completions', { body, stream: true, signal }))
    return await readCompletion(events, request.messages.length)
  })
}

function messagesOf({ system, messages }: ModelRequest): unknown[] {
  const turns = turnsOf(messages).flatMap(({ said, results, texts }) => [
    ...(said === undefined ? [] : [assistantOf(said)]),
    ...results.map(({ callId, text }) => ({ role: 'tool', tool_call_id: callId, content: text })),
    ...texts.map((text) => ({ role: 'user', content: text })),
  ])
  return [{ role: 'system', content: system }, ...turns]
}

function assistantOf({
  text,
  toolCalls,
}: NonNullable<ReturnType<typeof turnsOf>[number]['said']>): object {
  const calls = toolCalls.map(({ id, name, args }) => ({
    id,
    type: 'function',
    function: { name, arguments: typeof args === 'string' ? args : JSON.stringify(args) },
  }))
  const content = text === '' ? null : text
  return { role: 'assistant', content, ...(calls.length > 0 && { tool_calls: calls }) }
}

const Count = z.number().int().nonnegative()
const Usage = z.looseObject({
  prompt_tokens: Count,
  completion_tokens: Count,
  prompt_tokens_details: z.looseObject({ cached_tokens: Count.nullish() }).nullish(),
  completion_tokens_details: z.looseObject({ reasoning_tokens: Count.nullish() }).nullish(),
})
const CallDelta = z.looseObject({
  index: z.number().int().nonnegative().nullish(),
  id: z.string().nullish(),
  function: z
    .looseObject({ name: z.string().nullish(), arguments: z.string().nullish() })
    .nullish(),
})
const Chunk = z.looseObject({
  choices: z
    .array(
      z.looseObject({
        delta: z
          .looseObject({
            content: z.string().nullish(),
            refusal: z.string().nullish(),
            tool_calls: z.array(CallDelta).nullish(),
          })
          .nullish(),
        finish_reason: z.string().nullish(),
      }),
    )
    .nullish(),
  usage: Usage.nullish().catch(undefined),
})

interface Parts {
  text: string
  refused: boolean
  calls: Map<number, { id: string; name: string; args: string[] }>
  finish: string | undefined
  usage: z.infer<typeof Usage> | undefined
}

async function readCompletion(events: AsyncIterable<unknown>, place: number): Promise<Answer> {
  const parts: Parts = {
    text: '',
    refused: false,
    calls: new Map(),
    finish: undefined,
    usage: undefined,
  }
  const texts: string[] = []
  for await (const raw of events) {
    const { choices, usage } = Chunk.parse(raw)
    parts.usage = usage ?? parts.usage
    const [choice] = choices ?? []
    if (choice === undefined) continue
    const { content, refusal, tool_calls: calls } = choice.delta ?? {}
    texts.push(content ?? '', refusal ?? '')
    parts.refused ||= typeof refusal === 'string' && refusal !== ''
    for (const call of calls ?? []) takeCall(parts, call)
    parts.finish = choice.finish_reason ?? parts.finish
  }
  if (parts.finish === undefined) throw cutShort()
  return answerOf({ ...parts, text: texts.join('') }, place)
}

/** Pieces of a call carry its index; a server that leaves it out sends calls whole. */
function takeCall(
  { calls }: Parts,
  { index, id, function: piece }: z.infer<typeof CallDelta>,
): void {
  const at = index ?? (id == null ? Math.max(0, calls.size - 1) : calls.size)
  if (!calls.has(at) && calls.size >= CALLS_MAX)
    throw new ExchangeError('invalid_response', `The answer makes more than ${CALLS_MAX} calls`)
  const call = calls.get(at) ?? { id: '', name: '', args: [] }
  call.id ||= id ?? ''
  call.name ||= piece?.name ?? ''
  call.args.push(piece?.arguments ?? '')
  calls.set(at, call)
}

const STOP: Readonly<Record<string, StopReason>> = {
  length: 'max_tokens',
  content_filter: 'refusal',
  stop: 'end_turn',
  tool_calls: 'tool_calls',
  function_call: 'tool_calls',
}

function answerOf({ text, refused, calls, finish = '', usage }: Parts, place: number): Answer {
  const toolCalls = [...calls].sort(([a], [b]) => a - b)
  const stop = STOP[finish] ?? 'end_turn'
  return {
    text,
    toolCalls: toolCalls.map(([, { id, name, args }], index) => ({
      // Small servers leave the id out; one of our own is as good within the conversation.
      id: id === '' ? `call_${place}_${index + 1}` : id,
      name,
      args: parseArgs(args.join('')),
    })),
    stopReason: refused ? 'refusal' : stop === 'tool_calls' && calls.size === 0 ? 'end_turn' : stop,
    tokens: tokensOf(usage),
    blocks: [],
  }
}

/** The prompt counts what was cached, too. */
function tokensOf(usage: Parts['usage']): Answer['tokens'] {
  if (usage === undefined) return undefined
  const cached = usage.prompt_tokens_details?.cached_tokens ?? 0
  const cacheRead = Math.min(cached, usage.prompt_tokens)
  return {
    inputUncached: usage.prompt_tokens - cacheRead,
    cacheRead,
    cacheWrite5m: 0,
    cacheWrite1h: 0,
    output: usage.completion_tokens,
    reasoning: usage.completion_tokens_details?.reasoning_tokens ?? 0,
  }
}
