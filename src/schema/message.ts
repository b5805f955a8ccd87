/** One normal form of what goes to a language model and what comes back. */
import { z } from 'zod'
import { JsonObject, JsonValue } from './json.ts'

export const ToolSpec = z.object({
  name: z.string(),
  description: z.string(),
  /** JSON Schema of the arguments. */
  parameters: JsonObject,
})
export type ToolSpec = z.infer<typeof ToolSpec>

const ModelToolCall = z.object({ id: z.string(), name: z.string(), args: JsonValue })
type ModelToolCall = z.infer<typeof ModelToolCall>

export const Message = z.discriminatedUnion('role', [
  z.object({ role: z.literal('user'), text: z.string() }),
  z.object({
    role: z.literal('assistant'),
    text: z.string(),
    toolCalls: z.array(ModelToolCall),
    /** Provider-native blocks, replayed unchanged to the same provider only. */
    native: JsonValue.optional(),
  }),
  z.object({
    role: z.literal('tool'),
    callId: z.string(),
    name: z.string(),
    ok: z.boolean(),
    text: z.string(),
  }),
])
export type Message = z.infer<typeof Message>

/** Disjoint token buckets; `reasoning` is a part of `output`. */
export const Usage = z.object({
  inputUncached: z.number().int().nonnegative(),
  cacheRead: z.number().int().nonnegative(),
  cacheWrite5m: z.number().int().nonnegative(),
  cacheWrite1h: z.number().int().nonnegative(),
  output: z.number().int().nonnegative(),
  reasoning: z.number().int().nonnegative(),
  /** Integer micro-USD. */
  costMicroUsd: z.number().int().nonnegative(),
})
export type Usage = z.infer<typeof Usage>

export const ModelRequest = z.object({
  stage: z.string(),
  system: z.string(),
  messages: z.array(Message),
  tools: z.array(ToolSpec),
  maxOutputTokens: z.number().int().positive(),
})
export type ModelRequest = z.infer<typeof ModelRequest>

export const StopReason = z.enum(['end_turn', 'tool_calls', 'max_tokens', 'refusal'])
export type StopReason = z.infer<typeof StopReason>

export const ModelResponse = z.object({
  provider: z.string(),
  model: z.string(),
  text: z.string(),
  toolCalls: z.array(ModelToolCall),
  stopReason: StopReason,
  usage: Usage,
  native: JsonValue.optional(),
})
export type ModelResponse = z.infer<typeof ModelResponse>
