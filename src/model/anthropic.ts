/**
 * Anthropic's Messages. Four breakpoints keep the prefix in the provider's cache: tools, system
 * text, the first message with the context pack, and the end of what is sent. Thinking blocks carry
 * a signature over their bytes and go back as they came.
 */
import type { Anthropic } from '@anthropic-ai/sdk'
import type { JsonObject, JsonValue, Message, ModelRequest } from '../schema/index.ts'
import { readMessage } from './anthropic-stream.ts'
import { type Turn, turnsOf } from './conversation.ts'
import { createHttpModel, type HttpModelOptions, objectArgs } from './http-model.ts'
import type { Model } from './model.ts'
import { ownBlocks } from './native.ts'
import { streamOf, toolsByName } from './openai-client.ts'
import type { Wire } from './wire.ts'

const SDK_TIMEOUT_MS = 3_600_000
const BREAKPOINT = { cache_control: { type: 'ephemeral' } } as const

export function createAnthropicModel(options: HttpModelOptions): Model {
  return createHttpModel(options, async (request, wire) => {
    const client = await open(options, wire)
    const tools = toolsByName(request).map(({ name, description, parameters }, index, all) => ({
      name,
      description,
      input_schema: parameters,
      ...(index === all.length - 1 && BREAKPOINT),
    }))
    const body = {
      model: options.model,
      max_tokens: request.maxOutputTokens,
      system: [{ type: 'text', text: request.system, ...BREAKPOINT }],
      ...(tools.length > 0 && { tools }),
      messages: messagesOf(request.messages, options),
      stream: true,
    }
    const { signal } = wire
    return await readMessage(streamOf(client.post('/v1/messages', { body, stream: true, signal })))
  })
}

/** Made for one exchange: no retries, no environment, no log of its own. */
async function open({ apiKey, baseUrl }: HttpModelOptions, wire: Wire): Promise<Anthropic> {
  const { Anthropic: Client } = await import('@anthropic-ai/sdk')
  return new Client({
    apiKey: apiKey ?? 'none',
    authToken: null,
    baseURL: baseUrl,
    maxRetries: 0,
    timeout: SDK_TIMEOUT_MS,
    logLevel: 'off',
    fetch: wire.fetch,
  })
}

type Block = JsonObject

function messagesOf(messages: ModelRequest['messages'], maker: HttpModelOptions): object[] {
  const sent = turnsOf(messages).flatMap(({ said, results, texts }) => [
    ...(said === undefined ? [] : [{ role: 'assistant', content: blocksOf(said, maker) }]),
    ...userMessage({ results, texts }),
  ])
  const users = sent.flatMap((message, index) => (message.role === 'user' ? [index] : []))
  return sent.map((message, index) =>
    index === users[0] || index === users.at(-1)
      ? { ...message, content: withBreakpoint(message.content) }
      : message,
  )
}

/** All results of a turn in one message, and before any text: the interface demands both. */
function userMessage({ results, texts }: Pick<Turn, 'results' | 'texts'>) {
  const content: Block[] = [
    ...results.map(({ callId, ok, text }) => ({
      type: 'tool_result',
      tool_use_id: callId,
      content: text,
      ...(!ok && { is_error: true }),
    })),
    // An empty text block is refused.
    ...texts.filter((text) => text !== '').map((text) => ({ type: 'text', text })),
  ]
  return content.length === 0 ? [] : [{ role: 'user', content }]
}

function withBreakpoint(content: readonly JsonValue[]): JsonValue[] {
  return content.map((block, index) =>
    index === content.length - 1 ? { ...objectArgs(block), ...BREAKPOINT } : block,
  )
}

function blocksOf(
  said: Extract<Message, { role: 'assistant' }>,
  maker: HttpModelOptions,
): readonly JsonValue[] {
  const own = ownBlocks(said, maker)
  if (own !== undefined) return own
  const calls = said.toolCalls.map(({ id, name, args }) => ({
    type: 'tool_use',
    id,
    name,
    input: objectArgs(args),
  }))
  return said.text === '' ? calls : [{ type: 'text', text: said.text }, ...calls]
}
