/** The events of one message of Anthropic's, put together. */
import { z } from 'zod'
import type { JsonValue, StopReason } from '../schema/index.ts'
import { cutShort, ExchangeError } from './http-failure.ts'
import { type Answer, objectArgs, parseArgs } from './http-model.ts'

const Count = z.number().int().nonnegative()
const Usage = z.looseObject({
  input_tokens: Count.nullish(),
  output_tokens: Count.nullish(),
  cache_read_input_tokens: Count.nullish(),
  cache_creation_input_tokens: Count.nullish(),
  cache_creation: z
    .looseObject({
      ephemeral_5m_input_tokens: Count.nullish(),
      ephemeral_1h_input_tokens: Count.nullish(),
    })
    .nullish(),
})
type Usage = z.infer<typeof Usage>

/** Of a block, all members are kept; only these are looked at. */
const Block = z.looseObject({
  type: z.string(),
  text: z.string().optional(),
  thinking: z.string().optional(),
  signature: z.string().optional(),
  id: z.string().optional(),
  name: z.string().optional(),
})
const Delta = z.looseObject({
  type: z.string().optional(),
  text: z.string().optional(),
  thinking: z.string().optional(),
  signature: z.string().optional(),
  partial_json: z.string().optional(),
  stop_reason: z.string().nullish(),
})
const StreamEvent = z.looseObject({
  type: z.string(),
  index: z.number().int().nonnegative().optional(),
  message: z.looseObject({ usage: Usage.nullish() }).optional(),
  content_block: Block.optional(),
  delta: Delta.optional(),
  usage: Usage.nullish(),
})

interface OpenBlock {
  block: z.infer<typeof Block>
  text: string[]
  thinking: string[]
  json: string[]
}

/** Blocks of one answer. */
const BLOCKS_MAX = 512

interface Parts {
  blocks: Map<number, OpenBlock>
  usage: Usage | undefined
  stop: string | undefined
}

export async function readMessage(events: AsyncIterable<unknown>): Promise<Answer> {
  let parts: Parts | undefined
  for await (const raw of events) {
    const event = StreamEvent.parse(raw)
    if (event.type === 'message_start') {
      if (parts !== undefined)
        throw new ExchangeError('invalid_response', 'A second message begins within the first')
      parts = { blocks: new Map(), usage: event.message?.usage ?? undefined, stop: undefined }
    }
    if (parts === undefined) continue
    if (event.type === 'message_stop') return answerOf(parts)
    take(parts, event)
  }
  throw cutShort()
}

function take(parts: Parts, event: z.infer<typeof StreamEvent>): void {
  const { type, index = 0, content_block: block, delta, usage } = event
  if (type === 'content_block_start' && block !== undefined) {
    if (parts.blocks.has(index) || parts.blocks.size >= BLOCKS_MAX)
      throw new ExchangeError('invalid_response', `Block ${index} cannot begin here`)
    const { text = '', thinking = '' } = block
    parts.blocks.set(index, { block, text: [text], thinking: [thinking], json: [] })
  }
  if (type === 'content_block_delta' && delta !== undefined) {
    const open = parts.blocks.get(index)
    if (open === undefined)
      throw new ExchangeError('invalid_response', `Block ${index} goes on and never began`)
    open.text.push(delta.text ?? '')
    open.thinking.push(delta.thinking ?? '')
    open.json.push(delta.partial_json ?? '')
    if (delta.signature !== undefined) open.block.signature = delta.signature
  }
  if (type !== 'message_delta') return
  parts.stop = delta?.stop_reason ?? parts.stop
  // Counts here are of the whole message; what is not named stays as it began.
  const later = Object.entries(usage ?? {}).filter(([, value]) => value != null)
  parts.usage = usage == null ? parts.usage : { ...parts.usage, ...Object.fromEntries(later) }
}

const STOP: Readonly<Record<string, StopReason>> = {
  end_turn: 'end_turn',
  stop_sequence: 'end_turn',
  pause_turn: 'end_turn',
  tool_use: 'tool_calls',
  max_tokens: 'max_tokens',
  model_context_window_exceeded: 'max_tokens',
  refusal: 'refusal',
}

function answerOf({ blocks, usage, stop }: Parts): Answer {
  if (stop === undefined) throw cutShort()
  const whole = [...blocks].sort(([a], [b]) => a - b).map(([, open]) => wholeBlock(open))
  const calls = whole.filter(({ block }) => block.type === 'tool_use')
  const stopReason = STOP[stop] ?? 'end_turn'
  return {
    text: whole.map(({ block }) => (block.type === 'text' ? (block.text ?? '') : '')).join(''),
    toolCalls: calls.map(({ block: { id = '', name = '' }, args }) => ({ id, name, args })),
    stopReason: stopReason === 'tool_calls' && calls.length === 0 ? 'end_turn' : stopReason,
    tokens: tokensOf(usage),
    // Came out of JSON, and zod only looked at it. An empty text is refused when it is sent back.
    blocks: whole.flatMap(({ block }) =>
      block.type === 'text' && block.text === '' ? [] : [block as unknown as JsonValue],
    ),
  }
}

function wholeBlock({ block, text, thinking, json }: OpenBlock): {
  block: z.infer<typeof Block>
  args: JsonValue
} {
  if (block.type === 'text') return { block: { ...block, text: text.join('') }, args: {} }
  if (block.type === 'thinking')
    return { block: { ...block, thinking: thinking.join('') }, args: {} }
  if (block.type !== 'tool_use') return { block, args: {} }
  const args = parseArgs(json.join(''))
  return { block: { ...block, input: objectArgs(args) }, args }
}

/** Input leaves out what was read from a cache or written to one. */
function tokensOf(usage: Usage | undefined): Answer['tokens'] {
  if (usage?.input_tokens == null || usage.output_tokens == null) return undefined
  const { cache_creation: parts, cache_creation_input_tokens: written } = usage
  const cacheWrite1h = parts?.ephemeral_1h_input_tokens ?? 0
  return {
    inputUncached: usage.input_tokens,
    cacheRead: usage.cache_read_input_tokens ?? 0,
    cacheWrite5m: parts?.ephemeral_5m_input_tokens ?? Math.max(0, (written ?? 0) - cacheWrite1h),
    cacheWrite1h,
    output: usage.output_tokens,
    reasoning: 0,
  }
}
