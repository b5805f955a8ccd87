/**
 * Ollama by its own interface. Its OpenAI-compatible one takes no size of the window, cuts the
 * prompt to 4096 tokens and says nothing; here the size is set, and a prompt that was cut is an error.
 */
import { z } from 'zod'
import type { JsonValue, Message, ModelRequest } from '../schema/index.ts'
import { turnsOf } from './conversation.ts'
import { cutShort, ExchangeError } from './http-failure.ts'
import { type Answer, createHttpModel, type HttpModelOptions, objectArgs } from './http-model.ts'
import type { Model } from './model.ts'
import { ownBlocks } from './native.ts'
import { toolsByName } from './openai-client.ts'
import { readLines } from './read-lines.ts'
import { estimateRequestTokens } from './tokens.ts'
import type { Wire } from './wire.ts'

/** A prompt that counts for less than this part of its estimate has been cut. */
const CUT_BELOW = 0.5
/** Estimates of short prompts are too rough to tell. */
const TELLING_TOKENS = 1024

export function createOllamaModel(options: HttpModelOptions): Model {
  const { model, window } = options
  return createHttpModel(options, async (request, wire) => {
    const tools = toolsByName(request).map(({ name, description, parameters }) => ({
      type: 'function',
      function: { name, description, parameters },
    }))
    const body = {
      model,
      messages: messagesOf(request, options),
      ...(tools.length > 0 && { tools }),
      stream: true,
      truncate: false,
      shift: false,
      options: {
        num_ctx: window.contextTokens + window.outputTokens,
        num_predict: request.maxOutputTokens,
      },
    }
    const answer = await post(options, body, wire)
    const read = await readChat(answer, request.messages.length)
    const used = read.tokens?.inputUncached
    const expected = estimateRequestTokens(request)
    if (used !== undefined && expected > TELLING_TOKENS && used < expected * CUT_BELOW)
      throw new ExchangeError(
        'context_truncated',
        `The prompt has about ${expected} tokens, and the model read ${used} of them`,
      )
    return read
  })
}

async function post(
  { baseUrl, apiKey }: HttpModelOptions,
  body: unknown,
  wire: Wire,
): Promise<ReadableStream<Uint8Array>> {
  const headers = {
    'content-type': 'application/json',
    ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
  }
  const init = { method: 'POST', headers, body: JSON.stringify(body), signal: wire.signal }
  const answer = await wire.fetch(`${baseUrl}/api/chat`, init)
  if (answer.ok && answer.body !== null) return answer.body
  const text = await answer.text()
  const message = Failure.safeParse(jsonOf(text)).data?.error ?? text
  throw Object.assign(new Error(`${answer.status} ${message}`), {
    status: answer.status,
    headers: answer.headers,
  })
}

const Failure = z.looseObject({ error: z.string() })

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function messagesOf({ system, messages }: ModelRequest, maker: HttpModelOptions): unknown[] {
  const turns = turnsOf(messages).flatMap(({ said, results, texts }) => [
    ...(said === undefined ? [] : (ownBlocks(said, maker) ?? [assistantOf(said)])),
    ...results.map(({ name, text }) => ({ role: 'tool', tool_name: name, content: text })),
    ...texts.map((text) => ({ role: 'user', content: text })),
  ])
  return [{ role: 'system', content: system }, ...turns]
}

function assistantOf({ text, toolCalls }: Extract<Message, { role: 'assistant' }>): JsonValue {
  const calls = toolCalls.map(({ name, args }) => ({
    function: { name, arguments: objectArgs(args) },
  }))
  return { role: 'assistant', content: text, ...(calls.length > 0 && { tool_calls: calls }) }
}

const Count = z.number().int().nonnegative().optional()
const Line = z.looseObject({
  message: z
    .looseObject({
      content: z.string().optional(),
      thinking: z.string().optional(),
      tool_calls: z
        .array(
          z.looseObject({ function: z.looseObject({ name: z.string(), arguments: z.json() }) }),
        )
        .optional(),
    })
    .optional(),
  done: z.boolean().optional(),
  done_reason: z.string().optional(),
  prompt_eval_count: Count,
  eval_count: Count,
  error: z.string().optional(),
})
type Line = z.infer<typeof Line>

async function readChat(body: ReadableStream<Uint8Array>, place: number): Promise<Answer> {
  const texts: string[] = []
  const thinking: string[] = []
  const calls: { name: string; arguments: JsonValue }[] = []
  for await (const text of readLines(body)) {
    const line = Line.parse(JSON.parse(text))
    if (line.error !== undefined) throw new ExchangeError('server_error', line.error)
    texts.push(line.message?.content ?? '')
    thinking.push(line.message?.thinking ?? '')
    for (const { function: call } of line.message?.tool_calls ?? [])
      // zod's own JSON type allows what ours does; only `readonly` differs.
      calls.push({ name: call.name, arguments: call.arguments as JsonValue })
    if (line.done !== true) continue
    return answerOf({ text: texts.join(''), thinking: thinking.join(''), calls }, line, place)
  }
  throw cutShort()
}

interface Said {
  text: string
  thinking: string
  calls: { name: string; arguments: JsonValue }[]
}

function answerOf({ text, thinking, calls }: Said, last: Line, place: number): Answer {
  const { prompt_eval_count: input, eval_count: output } = last
  return {
    text,
    toolCalls: calls.map(({ name, arguments: args }, index) => ({
      id: `call_${place}_${index + 1}`,
      name,
      args,
    })),
    stopReason: last.done_reason === 'length' ? 'max_tokens' : 'end_turn',
    tokens:
      input === undefined || output === undefined
        ? undefined
        : {
            inputUncached: input,
            cacheRead: 0,
            cacheWrite5m: 0,
            cacheWrite1h: 0,
            output,
            reasoning: 0,
          },
    blocks:
      thinking === ''
        ? []
        : [
            {
              role: 'assistant',
              content: text,
              thinking,
              ...(calls.length > 0 && {
                tool_calls: calls.map(({ name, arguments: args }) => ({
                  function: { name, arguments: objectArgs(args) },
                })),
              }),
            },
          ],
  }
}
