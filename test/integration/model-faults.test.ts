/** The official clients against servers on real sockets that fail in every way there is. */
import type { ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import type { ModelFailureClass } from '../../src/model/errors.ts'
import {
  type Protocol,
  modelAt,
  PROTOCOLS,
  REQUEST,
  SPOKEN,
  TEST_KEY,
} from '../helpers/model-protocols.ts'
import { openModelServer } from '../helpers/model-server.ts'

interface Fault {
  title: string
  answer(response: ServerResponse, protocol: Protocol): void
  /** By provider where they differ; `*` for the rest. */
  expected: Partial<Record<string, ModelFailureClass>>
  charged?: 'no' | 'unknown'
  retryAfterMs?: number
  idleMs?: number
}

const status =
  (code: number, type: string, headers: Record<string, string> = {}): Fault['answer'] =>
  (response, { errorBody }) => {
    response.writeHead(code, { 'content-type': 'application/json', ...headers })
    response.end(errorBody(type))
  }

const stream =
  (
    write: (response: ServerResponse, frames: string[], protocol: Protocol) => void,
  ): Fault['answer'] =>
  (response, protocol) => {
    response.writeHead(200, { 'content-type': protocol.contentType })
    write(response, protocol.frames(SPOKEN), protocol)
  }

const FAULTS: Fault[] = [
  { title: '400', answer: status(400, 'invalid_request_error'), expected: { '*': 'bad_request' } },
  { title: '401', answer: status(401, 'authentication_error'), expected: { '*': 'unauthorized' } },
  { title: '402', answer: status(402, 'billing_error'), expected: { '*': 'quota_exhausted' } },
  { title: '403', answer: status(403, 'permission_error'), expected: { '*': 'unauthorized' } },
  { title: '404', answer: status(404, 'not_found_error'), expected: { '*': 'not_found' } },
  { title: '408', answer: status(408, 'request_timeout'), expected: { '*': 'timed_out' } },
  { title: '409', answer: status(409, 'conflict'), expected: { '*': 'server_error' } },
  { title: '413', answer: status(413, 'request_too_large'), expected: { '*': 'too_large' } },
  { title: '500', answer: status(500, 'api_error'), expected: { '*': 'server_error' } },
  { title: '503', answer: status(503, 'unavailable'), expected: { '*': 'server_error' } },
  { title: '529', answer: status(529, 'overloaded_error'), expected: { '*': 'overloaded' } },
  {
    title: '429 with seconds to wait',
    answer: status(429, 'rate_limit_error', { 'retry-after': '7' }),
    expected: { '*': 'rate_limited' },
    retryAfterMs: 7000,
  },
  {
    title: '429 with milliseconds to wait',
    answer: status(429, 'rate_limit_error', { 'retry-after-ms': '250', 'retry-after': '1' }),
    expected: { '*': 'rate_limited' },
    retryAfterMs: 250,
  },
  {
    title: '429 with a date to wait for',
    answer: status(429, 'rate_limit_error', { 'retry-after': 'Tue, 01 Jan 2030 00:00:30 GMT' }),
    expected: { '*': 'rate_limited' },
    retryAfterMs: 30_000,
  },
  {
    title: '429 without a word on when',
    answer: status(429, 'too_many'),
    expected: { '*': 'rate_limited', anthropic: 'quota_exhausted' },
  },
  {
    title: '429 because the quota is used up',
    answer: status(429, 'insufficient_quota', { 'retry-after': '1' }),
    expected: { '*': 'quota_exhausted', ollama: 'rate_limited' },
  },
  {
    title: 'an error that is no JSON',
    answer: (response) => void response.writeHead(502).end('<html>Bad Gateway</html>'),
    expected: { '*': 'server_error' },
  },
  {
    title: 'a redirect',
    answer: (response) => void response.writeHead(307, { location: 'http://127.0.0.1:9/' }).end(),
    expected: { '*': 'connection_lost' },
    charged: 'unknown',
  },
  {
    title: 'a connection that is reset',
    answer: (response) => void response.socket?.resetAndDestroy(),
    expected: { '*': 'connection_lost' },
    charged: 'unknown',
  },
  {
    title: 'headers that never come',
    answer: () => {},
    expected: { '*': 'timed_out' },
    charged: 'unknown',
    idleMs: 200,
  },
  {
    title: 'an answer that stalls',
    answer: stream((response, [first = '']) => void response.write(first)),
    expected: { '*': 'timed_out' },
    charged: 'unknown',
    idleMs: 300,
  },
  {
    title: 'an answer that ends before it is complete',
    answer: stream((response, frames) => void response.end(frames.slice(0, 4).join(''))),
    expected: { '*': 'connection_lost' },
    charged: 'unknown',
  },
  {
    title: 'an answer that is cut off',
    answer: stream((response, frames) => {
      response.write(frames.slice(0, 4).join(''), () => response.socket?.resetAndDestroy())
    }),
    expected: { '*': 'connection_lost' },
    charged: 'unknown',
  },
  {
    title: 'an empty answer',
    answer: stream((response) => void response.end()),
    expected: { '*': 'connection_lost' },
    charged: 'unknown',
  },
  {
    title: 'an error in the middle',
    answer: stream((response, frames, { errorFrame }) => {
      response.end([...frames.slice(0, 3), errorFrame].join(''))
    }),
    expected: { '*': 'server_error', anthropic: 'overloaded' },
    charged: 'unknown',
  },
  {
    title: 'JSON that is broken',
    answer: stream(
      (response, [first = '']) => void response.end(`${first}${first.replace('}', '')}`),
    ),
    expected: { '*': 'invalid_response' },
    charged: 'unknown',
  },
  {
    title: 'values of the wrong kind',
    answer: stream((response, _frames, { contentType }) => {
      const value = '{"type":7,"choices":7,"message":7,"done":7}'
      response.end(
        contentType.includes('ndjson') ? value : `event: message_start\ndata: ${value}\n\n`,
      )
    }),
    expected: { '*': 'invalid_response' },
    charged: 'unknown',
  },
  {
    title: 'a line without an end',
    answer: stream((response) => {
      const piece = Buffer.alloc(1024 * 1024, 'x')
      const more = () => {
        while (!response.destroyed && response.write(piece));
      }
      response.on('drain', more).on('error', () => {})
      response.write('data: ')
      more()
    }),
    expected: { '*': 'invalid_response' },
    charged: 'unknown',
  },
]

describe.each(PROTOCOLS)('generate() of $provider', (protocol) => {
  test.each(FAULTS)('makes a class of $title', async (fault) => {
    await using server = await openModelServer((response) => fault.answer(response, protocol))
    const model = modelAt(protocol, server.url, fault.idleMs)
    const outcome = await model.generate(REQUEST, { signal: new AbortController().signal })
    const expected = fault.expected[protocol.provider] ?? fault.expected['*']
    expect(outcome).toMatchObject({ ok: false, failure: { class: expected } })
    if (outcome.ok) return
    if (fault.charged !== undefined) expect(outcome.failure.charged).toBe(fault.charged)
    if (fault.retryAfterMs !== undefined)
      expect(outcome.failure.retryAfterMs).toBe(fault.retryAfterMs)
    // An SDK that tries again by itself would show here.
    expect(server.received).toHaveLength(1)
  })

  test('says where nobody listens', async () => {
    const model = modelAt(protocol, 'http://127.0.0.1:9')
    const outcome = await model.generate(REQUEST, { signal: new AbortController().signal })
    expect(outcome).toMatchObject({ ok: false, failure: { class: 'connection_lost' } })
  })

  test('ends at once when it is cancelled', async () => {
    const stop = new AbortController()
    await using server = await openModelServer(() => stop.abort())
    const outcome = await modelAt(protocol, server.url).generate(REQUEST, { signal: stop.signal })
    expect(outcome).toMatchObject({ ok: false, failure: { class: 'cancelled' } })
  })

  test('keeps the key out of what it says', async () => {
    await using server = await openModelServer((response) => {
      response.writeHead(401, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ error: { message: `Wrong key ${TEST_KEY}`, type: 'x' } }))
    })
    const outcome = await modelAt(protocol, server.url).generate(REQUEST, {
      signal: new AbortController().signal,
    })
    expect(JSON.stringify(outcome)).not.toContain(TEST_KEY)
    expect(JSON.stringify(server.received[0]?.headers)).toContain(TEST_KEY)
  })

  test('refuses to send a call without a result', async () => {
    await using server = await openModelServer(() => {})
    const said = {
      role: 'assistant',
      text: '',
      toolCalls: [{ id: 'a', name: 'x', args: {} }],
    } as const
    const request = {
      ...REQUEST,
      messages: [...REQUEST.messages, { ...said, toolCalls: [...said.toolCalls] }],
    }
    const outcome = await modelAt(protocol, server.url).generate(request, {
      signal: new AbortController().signal,
    })
    expect(outcome).toMatchObject({ ok: false, failure: { class: 'bad_request' } })
    expect(server.received).toEqual([])
  })
})
