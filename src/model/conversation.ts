/**
 * What every provider demands of a conversation, checked before it is sent: each call has exactly
 * one result, right after the answer that made it. One that is broken would be refused by all of
 * them, each in its own words, again at every later turn.
 */
import type { Message } from '../schema/index.ts'

type Assistant = Extract<Message, { role: 'assistant' }>
type ToolMessage = Extract<Message, { role: 'tool' }>

/** What is wrong with it, or `undefined`. */
export function conversationFault(messages: readonly Message[]): string | undefined {
  let open: string[] = []
  for (const message of messages) {
    if (message.role === 'tool') {
      if (!open.includes(message.callId)) return `A result answers no call: "${message.callId}"`
      open = open.filter((id) => id !== message.callId)
      continue
    }
    if (open.length > 0) return `A call has no result: "${open[0]}"`
    if (message.role === 'assistant') open = message.toolCalls.map(({ id }) => id)
  }
  return open.length > 0 ? `A call has no result: "${open[0]}"` : undefined
}

/**
 * A conversation in turns: what the model said, and everything it was told after it. Answers that
 * hold nothing are left out, since no provider takes them back.
 */
export interface Turn {
  said: Assistant | undefined
  results: ToolMessage[]
  texts: string[]
}

export function turnsOf(messages: readonly Message[]): Turn[] {
  const turns: Turn[] = [{ said: undefined, results: [], texts: [] }]
  for (const message of messages) {
    const last = turns.at(-1)
    if (message.role === 'assistant') {
      if (message.text !== '' || message.toolCalls.length > 0)
        turns.push({ said: message, results: [], texts: [] })
    } else if (message.role === 'tool') last?.results.push(message)
    else last?.texts.push(message.text)
  }
  return turns
}
