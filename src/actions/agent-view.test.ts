import { expect, test } from 'vitest'
import type { Message } from '../schema/index.ts'
import { viewOf } from './agent-view.ts'

const result = (callId: string, ok: boolean, words: number): Message => ({
  role: 'tool',
  callId,
  name: 'read_file',
  ok,
  text: 'word '.repeat(words),
})

/** Each call with its result. */
function talk(...results: Message[]): Message[] {
  const first: Message = { role: 'user', text: 'Do it' }
  const pairs = results.flatMap((message): Message[] => {
    const id = message.role === 'tool' ? message.callId : ''
    return [
      { role: 'assistant', text: '', toolCalls: [{ id, name: 'read_file', args: {} }] },
      message,
    ]
  })
  return [first, ...pairs]
}

test('viewOf() leaves a short conversation as it is', () => {
  const messages = talk(result('a', true, 10))
  expect(viewOf(messages, { before: [], tokensMax: 1000 })).toEqual({ messages, elided: [] })
})

test('viewOf() shortens the oldest good results first and keeps errors and the end whole', () => {
  const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
  const messages = talk(...ids.map((id) => result(id, id !== 'b', 400)))
  const before = JSON.stringify(messages)
  const view = viewOf(messages, { before: [], tokensMax: 3000 })
  expect(view.elided).toEqual(['a', 'c', 'd'])
  expect(view.messages).toHaveLength(messages.length)
  expect(view.messages[2]?.text).toBe(
    '[2000 bytes of this result are left out; call again to see them]',
  )
  expect(view.messages[4]).toEqual(messages[4])
  expect(view.messages.slice(-8)).toEqual(messages.slice(-8))
  expect(JSON.stringify(messages)).toBe(before)
})

test('viewOf() keeps what was left out before left out', () => {
  const messages = talk(...['a', 'b', 'c', 'd', 'e', 'f'].map((id) => result(id, true, 400)))
  const first = viewOf(messages, { before: [], tokensMax: 2000 })
  const longer = [...messages, ...talk(result('g', true, 10)).slice(1)]
  const second = viewOf(longer, { before: first.elided, tokensMax: 2000 })
  expect(second.elided).toEqual(first.elided)
  expect(second.messages.slice(0, messages.length)).toEqual(first.messages)
})
