/**
 * How many tokens a text will cost, before anybody counts them for us. Used to reserve budget and to
 * fill context packs, never to report usage.
 *
 * One pass over the text, no tables: a byte-pair tokeniser needs 0.4 s to load and its time grows
 * with the square of a word's length, so that 100 kB of one letter from a hostile file holds the
 * process for ten seconds. On source code and prose the estimate lies between 0.95 and 1.4 of what
 * o200k counts (median 1.09). See docs/decisions/0006-agent-loop.md.
 */
import type { Message, ModelRequest } from '../schema/index.ts'

const LETTERS_PER_TOKEN = 6
const DIGITS_PER_TOKEN = 3
const SPACES_PER_TOKEN = 24
const SYMBOLS_PER_TOKEN = 2
const TOKENS_PER_OTHER = 0.7
/** Roles, separators and ids around each message and tool. */
const TOKENS_PER_MESSAGE = 8

type Kind = 'letter' | 'digit' | 'space' | 'symbol' | 'other'

/** Estimated tokens of one text; linear in its length. */
export function estimateTokens(text: string): number {
  let tokens = 0
  let length = 0
  let kind: Kind = 'space'
  let previousLower = false
  let first = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    const next = kindOf(code)
    const upper = code >= 65 && code <= 90
    if (next !== kind || (upper && previousLower)) {
      tokens += runTokens(kind, length, first)
      length = 0
      first = code
    }
    kind = next
    previousLower = next === 'letter' && !upper
    length += 1
  }
  return Math.ceil(tokens + runTokens(kind, length, first))
}

/** Estimated input tokens of everything a request sends. */
export function estimateRequestTokens(request: ModelRequest): number {
  const tools = request.tools.map((tool) =>
    estimateTokens(`${tool.name} ${tool.description} ${JSON.stringify(tool.parameters)}`),
  )
  const messages = request.messages.map(estimateMessageTokens)
  const overhead = (tools.length + messages.length + 1) * TOKENS_PER_MESSAGE
  return (
    [...tools, ...messages].reduce((sum, n) => sum + n, estimateTokens(request.system)) + overhead
  )
}

const messageTokens = new WeakMap<Message, number>()

/** Messages are never changed once made, so each is counted once. */
export function estimateMessageTokens(message: Message): number {
  const known = messageTokens.get(message)
  if (known !== undefined) return known
  const calls = message.role === 'assistant' ? JSON.stringify(message.toolCalls) : ''
  const native =
    message.role === 'assistant' && message.native !== undefined
      ? estimateTokens(JSON.stringify(message.native))
      : 0
  const tokens = Math.max(estimateTokens(message.text) + estimateTokens(calls), native)
  messageTokens.set(message, tokens)
  return tokens
}

function kindOf(code: number): Kind {
  if ((code >= 97 && code <= 122) || (code >= 65 && code <= 90)) return 'letter'
  if (code >= 48 && code <= 57) return 'digit'
  if (code === 32 || code === 9 || code === 10 || code === 13) return 'space'
  return code < 128 ? 'symbol' : 'other'
}

function runTokens(kind: Kind, length: number, first: number): number {
  if (length === 0) return 0
  switch (kind) {
    case 'letter':
      return Math.ceil(length / LETTERS_PER_TOKEN)
    case 'digit':
      return Math.ceil(length / DIGITS_PER_TOKEN)
    case 'space':
      // One blank before a word is part of the word's token.
      return length === 1 && first === 32 ? 0 : Math.ceil(length / SPACES_PER_TOKEN)
    case 'symbol':
      return Math.ceil(length / SYMBOLS_PER_TOKEN)
    case 'other':
      return length * TOKENS_PER_OTHER
  }
}
