export {
  classifyStatus,
  FAILURE_TABLE,
  modelError,
  type ModelFailure,
  type ModelFailureClass,
  modelFailure,
} from './errors.ts'
export type { Model, ModelOutcome } from './model.ts'
export {
  costMicroUsd,
  type Price,
  PRICE_TABLE,
  priceOf,
  type PriceTable,
  priceTableHash,
  worstCostMicroUsd,
} from './prices.ts'
export { isSecretFile, redactLines, type Redaction } from './redact.ts'
export { DEFAULT_RETRY, generateWithRetry, type Retry, type RetryPolicy } from './retry.ts'
export { parseScript, type ScriptFile } from './script.ts'
export { createScriptedModel } from './scripted.ts'
export { seededRandom } from './seeded-random.ts'
export { type ModelConfig, selectModel } from './select.ts'
export { estimateMessageTokens, estimateRequestTokens, estimateTokens } from './tokens.ts'
export { addUsage, NO_USAGE, usageTokens } from './usage.ts'
