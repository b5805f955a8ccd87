/**
 * What of a conversation is sent. The conversation itself is never changed: when it grows too long,
 * the oldest results of calls that went well are sent as one line each. Errors and the last messages
 * stay whole, and no call loses its result, since providers refuse one without the other.
 */
import type { Message } from '../schema/index.ts'
import { estimateMessageTokens } from '../model/index.ts'

/** Messages at the end that are always whole. */
const KEPT_AT_END = 8
/** Once it must shorten, it shortens to this part, so that it need not do so again each turn. */
const SHORTEN_TO = 0.7

export interface View {
  messages: readonly Message[]
  /** Ids of the calls whose results are one line, in order. */
  elided: readonly string[]
}

/** The view that follows `before`: what was left out stays out, so that sent prefixes stay equal. */
export function viewOf(
  messages: readonly Message[],
  { before, tokensMax }: { before: readonly string[]; tokensMax: number },
): View {
  const elided = new Set(before)
  const shorten = () =>
    messages.map((message) => (isElided(message, elided) ? digest(message) : message))
  let tokens = shorten().reduce((sum, message) => sum + estimateMessageTokens(message), 0)
  if (tokens <= tokensMax) return { messages: shorten(), elided: before }
  const oldest = messages.slice(0, Math.max(0, messages.length - KEPT_AT_END))
  for (const message of oldest) {
    if (tokens <= tokensMax * SHORTEN_TO) break
    if (message.role !== 'tool' || !message.ok || elided.has(message.callId)) continue
    elided.add(message.callId)
    tokens -= estimateMessageTokens(message) - estimateMessageTokens(digest(message))
  }
  return { messages: shorten(), elided: [...elided] }
}

function isElided(message: Message, elided: ReadonlySet<string>): boolean {
  return message.role === 'tool' && elided.has(message.callId)
}

function digest(message: Message): Message {
  const bytes = Buffer.byteLength(message.text)
  return {
    ...message,
    text: `[${bytes} bytes of this result are left out; call again to see them]`,
  }
}
