/**
 * Blocks of a provider's own form: reasoning with its signature, items with their ids. They are
 * kept as they came and sent back unchanged, to the same provider and model only; to any other they
 * mean nothing, or are refused.
 */
import { z } from 'zod'
import { JsonValue, type Message } from '../schema/index.ts'

const Native = z.strictObject({
  provider: z.string(),
  model: z.string(),
  blocks: z.array(JsonValue),
})

interface Maker {
  provider: string
  model: string
}

export function nativeOf({ provider, model }: Maker, blocks: readonly JsonValue[]): JsonValue {
  return { provider, model, blocks }
}

/** The blocks of an answer that this very model has made; `undefined` for any other. */
export function ownBlocks(
  message: Extract<Message, { role: 'assistant' }>,
  { provider, model }: Maker,
): readonly JsonValue[] | undefined {
  const parsed = Native.safeParse(message.native)
  if (!parsed.success) return undefined
  const { provider: by, model: of, blocks } = parsed.data
  return by === provider && of === model ? blocks : undefined
}
