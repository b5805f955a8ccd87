/** Which model a run uses; part of its policy snapshot, so that it cannot change under it. */
import { z } from 'zod'

export const ModelProvider = z.enum(['openai-responses', 'openai-chat', 'anthropic', 'ollama'])
export type ModelProvider = z.infer<typeof ModelProvider>

const MicroUsd = z.number().int().nonnegative()

export const ModelChoice = z.strictObject({
  provider: ModelProvider,
  model: z.string().min(1).max(200),
  /** Without a slash at its end. */
  baseUrl: z.string(),
  /** Whether it runs on this machine, so that nothing leaves it. */
  local: z.boolean(),
  /** Whether the URL is the operator's own, which has a key of its own. */
  ownUrl: z.boolean(),
  /** Micro-USD for one million tokens of each bucket. */
  price: z.strictObject({
    inputUncached: MicroUsd,
    cacheRead: MicroUsd,
    cacheWrite5m: MicroUsd,
    cacheWrite1h: MicroUsd,
    output: MicroUsd,
  }),
  /** Of the table the price is from, or of the price the operator gave. */
  priceHash: z.string(),
  contextTokens: z.number().int().positive(),
  outputTokens: z.number().int().positive(),
  /** Where the choice was made, for people. */
  chosenBy: z.string(),
})
export type ModelChoice = z.infer<typeof ModelChoice>

export const CassetteMode = z.enum(['record', 'replay', 'passthrough'])
export type CassetteMode = z.infer<typeof CassetteMode>
