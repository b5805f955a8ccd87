/** What is sent and read, byte for byte, and that every provider comes to the same normal form. */
import { describe, expect, test } from 'vitest'
import type { Message, ModelRequest, ModelResponse } from '../../src/schema/index.ts'
import {
  modelAt,
  type Protocol,
  PROTOCOLS,
  REQUEST,
  SPOKEN,
  type Spoken,
} from '../helpers/model-protocols.ts'
import { openModelServer, type Received, writeInPieces } from '../helpers/model-server.ts'

const signal = new AbortController().signal

/** One exchange over a socket, in pieces of so many bytes. */
async function exchange(
  protocol: Protocol,
  frames: readonly string[],
  { request = REQUEST, size = 1 << 20 }: { request?: ModelRequest; size?: number } = {},
) {
  await using server = await openModelServer((response) => {
    response.writeHead(200, { 'content-type': protocol.contentType })
    writeInPieces(response, Buffer.from(frames.join('')), size)
  })
  const outcome = await modelAt(protocol, server.url).generate(request, { signal })
  return { outcome, received: server.received }
}

async function answered(
  protocol: Protocol,
  spoken: Spoken,
  options: { request?: ModelRequest; size?: number } = {},
): Promise<{ response: ModelResponse; sent: Received | undefined }> {
  const { outcome, received } = await exchange(protocol, protocol.frames(spoken), options)
  if (!outcome.ok) throw new Error(`${outcome.failure.class}: ${outcome.failure.message}`)
  return { response: outcome.response, sent: received[0] }
}

const bodyOf = (sent: Received | undefined) => JSON.parse(sent?.body ?? 'null')
const said = ({ text, toolCalls, native }: ModelResponse): Message => ({
  role: 'assistant',
  text,
  toolCalls,
  ...(native !== undefined && { native }),
})

describe.each(PROTOCOLS)('generate() of $provider', (protocol) => {
  const isOllama = protocol.provider === 'ollama'

  test.each([1, 3, 7, 1 << 20])('reads an answer in pieces of %i bytes', async (size) => {
    const { response } = await answered(protocol, SPOKEN, { size })
    expect(response.text).toBe(SPOKEN.text)
    expect(response.toolCalls).toEqual([
      { id: isOllama ? 'call_1_1' : 'c1', name: 'read_file', args: { path: 'src/ä.js' } },
    ])
    expect(response.stopReason).toBe('tool_calls')
  })

  test('counts every token once, and what it costs', async () => {
    const { response } = await answered(protocol, SPOKEN)
    const { inputUncached, cacheRead, cacheWrite5m, cacheWrite1h, output, costMicroUsd } =
      response.usage
    const cached = isOllama ? 0 : 600
    expect({ inputUncached, cacheRead, cacheWrite5m, cacheWrite1h, output }).toEqual({
      inputUncached: 1000 - cached,
      cacheRead: cached,
      cacheWrite5m: 0,
      cacheWrite1h: 0,
      output: 50,
    })
    expect(costMicroUsd).toBe((1000 - cached) * 3 + cached * 0.3 + 50 * 15)
  })

  test.each([
    ['end', 'end_turn'],
    ['length', 'max_tokens'],
    ['refusal', 'refusal'],
  ] as const)('reads how an answer stops: %s', async (stop, expected) => {
    if (isOllama && stop === 'refusal') return
    const { response } = await answered(protocol, { ...SPOKEN, calls: [], stop })
    expect(response.stopReason).toBe(expected)
  })

  test('reads line ends of both kinds, comments and unknown events', async () => {
    const frames = protocol.frames(SPOKEN)
    const noise = isOllama
      ? ['\r\n']
      : [': keep-alive\r\n\r\n', 'event: ping\ndata: {"type":"ping"}\n\n']
    // Chat knows no other kind of event than its chunks.
    const extra = protocol.provider === 'openai-chat' ? [': keep-alive\r\n\r\n'] : noise
    const mixed = [
      frames[0] ?? '',
      ...extra,
      ...frames.slice(1).map((f) => f.replaceAll('\n', '\r\n')),
    ]
    const { outcome } = await exchange(protocol, mixed, { size: 5 })
    expect(outcome).toMatchObject({ ok: true, response: { text: SPOKEN.text } })
  })

  test('keeps arguments that are no JSON as they are', async () => {
    if (isOllama) return
    const calls = [{ id: 'c1', name: 'read_file', args: '{"path": "src' }]
    const { response } = await answered(protocol, { ...SPOKEN, calls, stop: 'length' })
    expect(response.toolCalls).toEqual([{ id: 'c1', name: 'read_file', args: '{"path": "src' }])
    const request = {
      ...REQUEST,
      messages: [
        ...REQUEST.messages,
        said(response),
        { role: 'tool' as const, callId: 'c1', name: 'read_file', ok: false, text: 'No' },
      ],
    }
    await answered(protocol, SPOKEN, { request })
  })

  test('sends a conversation back with its own blocks unchanged, and equal bytes before it', async () => {
    const first = await answered(protocol, SPOKEN)
    const [id] = first.response.toolCalls.map((call) => call.id)
    const messages: Message[] = [
      ...REQUEST.messages,
      said(first.response),
      { role: 'tool', callId: id ?? '', name: 'read_file', ok: false, text: 'There is none' },
      { role: 'user', text: 'Go on' },
    ]
    const second = await answered(protocol, SPOKEN, { request: { ...REQUEST, messages } })
    expect(bodyOf(second.sent)).toMatchSnapshot()
    const { tools, system, instructions } = bodyOf(first.sent)
    expect(bodyOf(second.sent)).toMatchObject(
      JSON.parse(JSON.stringify({ tools, system, instructions })),
    )
    const again = await answered(protocol, SPOKEN, { request: { ...REQUEST, messages } })
    expect(again.sent?.body).toBe(second.sent?.body)
  })

  test('sends no blocks of another model', async () => {
    const { response } = await answered(protocol, SPOKEN)
    const foreign = said({
      ...response,
      native: { provider: 'other', model: 'm-1', blocks: ['evil'] },
    })
    const messages: Message[] = [
      ...REQUEST.messages,
      foreign,
      ...response.toolCalls.map(({ id, name }): Message => ({
        role: 'tool',
        callId: id,
        name,
        ok: true,
        text: 'x',
      })),
    ]
    const { sent } = await answered(protocol, SPOKEN, { request: { ...REQUEST, messages } })
    expect(sent?.body).not.toContain('evil')
    expect(sent?.body).toContain(SPOKEN.text)
  })
})

test('adapters come to the same normal form for the same conversation', async () => {
  const forms = await Promise.all(
    PROTOCOLS.map(async (protocol) => {
      const { response } = await answered(protocol, { ...SPOKEN, cached: 0 })
      const { text, stopReason, toolCalls, usage } = response
      return {
        text,
        stopReason,
        calls: toolCalls.map(({ name, args }) => ({ name, args })),
        usage: { ...usage, reasoning: 0 },
      }
    }),
  )
  expect(new Set(forms.map((form) => JSON.stringify(form))).size).toBe(1)
})

test('generate() of ollama says when the prompt was cut', async () => {
  const ollama = PROTOCOLS.find(({ provider }) => provider === 'ollama')
  if (ollama === undefined) throw new Error('No such protocol')
  const messages: Message[] = [{ role: 'user', text: 'the quick brown fox '.repeat(3000) }]
  const { outcome, received } = await exchange(ollama, ollama.frames({ ...SPOKEN, input: 4096 }), {
    request: { ...REQUEST, messages },
  })
  expect(outcome).toMatchObject({
    ok: false,
    failure: { class: 'context_truncated', charged: 'unknown' },
  })
  expect(bodyOf(received[0]).options).toEqual({ num_ctx: 104_096, num_predict: 1024 })
})

test('generate() counts an estimate, never less, where usage is missing', async () => {
  const chat = PROTOCOLS.find(({ provider }) => provider === 'openai-chat')
  if (chat === undefined) throw new Error('No such protocol')
  const frames = chat.frames(SPOKEN).filter((frame) => !frame.includes('prompt_tokens'))
  const { outcome } = await exchange(chat, frames)
  expect(outcome).toMatchObject({ ok: true })
  if (outcome.ok) expect(outcome.response.usage.costMicroUsd).toBeGreaterThan(0)
})
