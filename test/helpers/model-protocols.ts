/**
 * The providers' protocols as their servers speak them: how an answer is framed, how a failure is,
 * and the adapter that has to read both.
 */
import { createAnthropicModel } from '../../src/model/anthropic.ts'
import type { HttpModelOptions } from '../../src/model/http-model.ts'
import { DEFAULT_WINDOW, type Model } from '../../src/model/model.ts'
import { createOllamaModel } from '../../src/model/ollama.ts'
import { createOpenAiChatModel } from '../../src/model/openai-chat.ts'
import { createOpenAiResponsesModel } from '../../src/model/openai-responses.ts'
import type { JsonValue, ModelRequest } from '../../src/schema/index.ts'

export interface Spoken {
  text: string
  calls: { id: string; name: string; args: string }[]
  input: number
  cached: number
  output: number
  stop: 'end' | 'tools' | 'length' | 'refusal'
}

export const SPOKEN: Spoken = {
  text: 'Grüße, 世界 👋',
  calls: [{ id: 'c1', name: 'read_file', args: '{"path":"src/ä.js"}' }],
  input: 1000,
  cached: 600,
  output: 50,
  stop: 'tools',
}

export interface Protocol {
  provider: string
  create(options: HttpModelOptions): Model
  /** Pieces of the stream, in order; the last ones end it. */
  frames(spoken: Spoken): string[]
  contentType: string
  /** What stands in a stream that fails half-way. */
  errorFrame: string
  errorBody(type: string): string
}

const sse = (data: JsonValue, event?: string) =>
  `${event === undefined ? '' : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`

const chat: Protocol = {
  provider: 'openai-chat',
  create: createOpenAiChatModel,
  contentType: 'text/event-stream',
  frames({ text, calls, input, cached, output, stop }) {
    const chunk = (delta: JsonValue, finish: string | null = null) =>
      sse({
        id: 'x',
        object: 'chat.completion.chunk',
        choices: [{ index: 0, delta, finish_reason: finish }],
      })
    const finish = { end: 'stop', tools: 'tool_calls', length: 'length', refusal: 'content_filter' }
    return [
      chunk({ role: 'assistant', content: '' }),
      ...Array.from(text).map((content) => chunk({ content })),
      ...calls.flatMap(({ id, name, args }, index) => [
        chunk({ tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }] }),
        ...Array.from(args).map((piece) =>
          chunk({ tool_calls: [{ index, function: { arguments: piece } }] }),
        ),
      ]),
      chunk({}, finish[stop]),
      sse({
        id: 'x',
        choices: [],
        usage: {
          prompt_tokens: input,
          completion_tokens: output,
          prompt_tokens_details: { cached_tokens: cached },
        },
      }),
      'data: [DONE]\n\n',
    ]
  },
  errorFrame: sse({
    error: { message: 'The server had an error', type: 'server_error', code: null },
  }),
  errorBody: (type) => JSON.stringify({ error: { message: `It is ${type}`, type, code: type } }),
}

const responses: Protocol = {
  provider: 'openai-responses',
  create: createOpenAiResponsesModel,
  contentType: 'text/event-stream',
  frames({ text, calls, input, cached, output, stop }) {
    const reasoning = { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'b3BhcXVl' }
    const part =
      stop === 'refusal' ? { type: 'refusal', refusal: text } : { type: 'output_text', text }
    const items: JsonValue[] = [
      reasoning,
      ...(text === ''
        ? []
        : [{ type: 'message', id: 'msg_1', role: 'assistant', content: [part] }]),
      ...calls.map(({ id, name, args }) => ({
        type: 'function_call',
        id: `fc_${id}`,
        call_id: id,
        name,
        arguments: args,
      })),
    ]
    const response = {
      id: 'resp_1',
      output: items,
      ...(stop === 'length' && { incomplete_details: { reason: 'max_output_tokens' } }),
      usage: {
        input_tokens: input,
        output_tokens: output,
        input_tokens_details: { cached_tokens: cached },
        output_tokens_details: { reasoning_tokens: 20 },
      },
    }
    const last = stop === 'length' ? 'response.incomplete' : 'response.completed'
    return [
      sse({ type: 'response.created', response: { id: 'resp_1', output: [] } }, 'response.created'),
      ...Array.from(text).map((delta) =>
        sse({ type: 'response.output_text.delta', delta }, 'response.output_text.delta'),
      ),
      ...items.map((item) =>
        sse({ type: 'response.output_item.done', item }, 'response.output_item.done'),
      ),
      sse({ type: last, response }, last),
    ]
  },
  errorFrame: sse(
    {
      type: 'response.failed',
      response: { id: 'r', error: { code: 'server_error', message: 'Oops' } },
    },
    'response.failed',
  ),
  errorBody: chat.errorBody,
}

const anthropic: Protocol = {
  provider: 'anthropic',
  create: createAnthropicModel,
  contentType: 'text/event-stream',
  frames({ text, calls, input, cached, output, stop }) {
    const event = (type: string, rest: Record<string, JsonValue>) => sse({ type, ...rest }, type)
    const usage = {
      input_tokens: input - cached,
      cache_read_input_tokens: cached,
      cache_creation_input_tokens: 0,
      output_tokens: 1,
    }
    const block = (index: number, start: JsonValue, deltas: JsonValue[]) => [
      event('content_block_start', { index, content_block: start }),
      ...deltas.map((delta) => event('content_block_delta', { index, delta })),
      event('content_block_stop', { index }),
    ]
    const reason = { end: 'end_turn', tools: 'tool_use', length: 'max_tokens', refusal: 'refusal' }
    return [
      event('message_start', { message: { id: 'm', role: 'assistant', content: [], usage } }),
      event('ping', {}),
      ...block(0, { type: 'thinking', thinking: '', signature: '' }, [
        { type: 'thinking_delta', thinking: 'Hm' },
        { type: 'signature_delta', signature: 'c2lnbmVk' },
      ]),
      ...block(
        1,
        { type: 'text', text: '' },
        Array.from(text).map((piece) => ({ type: 'text_delta', text: piece })),
      ),
      ...calls.flatMap(({ id, name, args }, index) =>
        block(
          index + 2,
          { type: 'tool_use', id, name, input: {} },
          Array.from(args).map((piece) => ({ type: 'input_json_delta', partial_json: piece })),
        ),
      ),
      event('message_delta', {
        delta: { stop_reason: reason[stop] },
        usage: { output_tokens: output },
      }),
      event('message_stop', {}),
    ]
  },
  errorFrame: sse(
    { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } },
    'error',
  ),
  errorBody: (type) => JSON.stringify({ type: 'error', error: { type, message: `It is ${type}` } }),
}

const ollama: Protocol = {
  provider: 'ollama',
  create: createOllamaModel,
  contentType: 'application/x-ndjson',
  frames({ text, calls, input, output, stop }) {
    const line = (value: JsonValue) => `${JSON.stringify(value)}\n`
    return [
      line({ message: { role: 'assistant', content: '', thinking: 'Hm' }, done: false }),
      ...Array.from(text).map((content) =>
        line({ message: { role: 'assistant', content }, done: false }),
      ),
      ...calls.map(({ name, args }) =>
        line({
          message: {
            content: '',
            tool_calls: [{ function: { name, arguments: JSON.parse(args) } }],
          },
          done: false,
        }),
      ),
      line({
        message: { role: 'assistant', content: '' },
        done: true,
        done_reason: stop === 'length' ? 'length' : 'stop',
        prompt_eval_count: input,
        eval_count: output,
      }),
    ]
  },
  errorFrame: `${JSON.stringify({ error: 'model runner has stopped' })}\n`,
  errorBody: (type) => JSON.stringify({ error: `It is ${type}` }),
}

export const PROTOCOLS: readonly Protocol[] = [responses, chat, anthropic, ollama]

/** Shaped like a key, and nobody's. */
export const TEST_KEY = 'test-key-0123456789-abcdefghij'

export function modelAt(protocol: Protocol, url: string, idleMs = 5000): Model {
  return protocol.create({
    provider: protocol.provider,
    model: 'm-1',
    baseUrl: url,
    apiKey: TEST_KEY,
    price: {
      inputUncached: 3_000_000,
      cacheRead: 300_000,
      cacheWrite5m: 3_750_000,
      cacheWrite1h: 6_000_000,
      output: 15_000_000,
    },
    window: DEFAULT_WINDOW,
    fetch,
    idleMs,
    now: () => Date.parse('2030-01-01T00:00:00Z'),
  })
}

export const REQUEST: ModelRequest = {
  stage: 'implement',
  system: 'You work on one stage.',
  messages: [{ role: 'user', text: 'Fix it' }],
  tools: [
    { name: 'write_file', description: 'Writes', parameters: { type: 'object', properties: {} } },
    { name: 'read_file', description: 'Reads', parameters: { type: 'object', properties: {} } },
  ],
  maxOutputTokens: 1024,
}
