/**
 * What tokens cost, in integer micro-USD. A table is data with a version and a hash, frozen into the
 * policy snapshot of a run, so that a cost in the timeline can be computed again years later.
 */
import { hashJson, type Usage } from '../schema/index.ts'

/** Micro-USD for one million tokens of each bucket. */
export interface Price {
  inputUncached: number
  cacheRead: number
  cacheWrite5m: number
  cacheWrite1h: number
  output: number
}

export interface PriceTable {
  version: string
  /** Keys are `provider/model`; `provider/*` stands for all models of a provider. */
  prices: Readonly<Record<string, Price>>
}

/** What costs nothing: scripts, and models on this machine. */
export const FREE: Price = {
  inputUncached: 0,
  cacheRead: 0,
  cacheWrite5m: 0,
  cacheWrite1h: 0,
  output: 0,
}

/** A row as providers print it: USD for one million tokens. */
function usd([input, output, cacheRead, write5m = input, write1h = write5m]: readonly [
  input: number,
  output: number,
  cacheRead: number,
  write5m?: number,
  write1h?: number,
]): Price {
  const micro = (amount: number) => Math.round(amount * 1_000_000)
  return {
    inputUncached: micro(input),
    cacheRead: micro(cacheRead),
    cacheWrite5m: micro(write5m),
    cacheWrite1h: micro(write1h),
    output: micro(output),
  }
}

// Opus and `sonnet-4-0`: the provider's own price page, in copies seen in November 2026. Sonnet 4.5 and
// Haiku 4.5: as several price lists of others repeat them.
const ANTHROPIC = {
  'claude-haiku-4-5': usd([1, 5, 0.1, 1.25, 2]),
  'claude-opus-4-1': usd([15, 75, 1.5, 18.75, 30]),
  'claude-opus-4-5': usd([5, 25, 0.5, 6.25, 10]),
  'claude-opus-4-6': usd([5, 25, 0.5, 6.25, 10]),
  'claude-opus-4-7': usd([5, 25, 0.5, 6.25, 10]),
  'claude-opus-4-8': usd([5, 25, 0.5, 6.25, 10]),
  'claude-opus-5': usd([5, 25, 0.5, 6.25, 10]),
  'claude-sonnet-4-0': usd([3, 15, 0.3, 3.75, 6]),
  'claude-sonnet-4-5': usd([3, 15, 0.3, 3.75, 6]),
}
// As price lists of others repeated them in 2026; the provider's own page could not be looked at. Of
// gpt-5-nano, o3 and o4-mini not even that was found to agree: they are as in version 2.
const OPENAI = {
  'gpt-4.1': usd([2, 8, 0.5]),
  'gpt-4.1-mini': usd([0.4, 1.6, 0.1]),
  'gpt-4o': usd([2.5, 10, 1.25]),
  'gpt-4o-mini': usd([0.15, 0.6, 0.075]),
  'gpt-5': usd([1.25, 10, 0.125]),
  'gpt-5-mini': usd([0.25, 2, 0.025]),
  'gpt-5-nano': usd([0.05, 0.4, 0.005]),
  o3: usd([2, 8, 0.5]),
  'o4-mini': usd([1.1, 4.4, 0.275]),
}

/**
 * List prices of well-known models, and of what is free. They change: a model without a row, or with
 * another price, gets it from its user's configuration.
 */
export const PRICE_TABLE: PriceTable = {
  version: '3',
  prices: {
    'scripted/*': FREE,
    ...prefixed('anthropic', ANTHROPIC),
    ...prefixed('openai-responses', OPENAI),
    ...prefixed('openai-chat', OPENAI),
  },
}

function prefixed(provider: string, rows: Readonly<Record<string, Price>>): Record<string, Price> {
  return Object.fromEntries(Object.entries(rows).map(([name, row]) => [`${provider}/${name}`, row]))
}

/** Lower-case hex sha256 of version and prices. */
export function priceTableHash(table: PriceTable): string {
  return hashJson({ version: table.version, prices: table.prices })
}

/** The price of a model; `undefined` when the table does not know it, which is not the same as free. */
export function priceOf(
  table: PriceTable,
  { provider, model }: { provider: string; model: string },
): Price | undefined {
  const own = Object.hasOwn(table.prices, `${provider}/${model}`)
  return own ? table.prices[`${provider}/${model}`] : table.prices[`${provider}/*`]
}

export type TokenCounts = Omit<Usage, 'costMicroUsd' | 'reasoning'>

/** Cost of known token counts, rounded up to a whole micro-USD. */
export function costMicroUsd(tokens: TokenCounts, price: Price): number {
  const millionths =
    tokens.inputUncached * price.inputUncached +
    tokens.cacheRead * price.cacheRead +
    tokens.cacheWrite5m * price.cacheWrite5m +
    tokens.cacheWrite1h * price.cacheWrite1h +
    tokens.output * price.output
  return Math.ceil(millionths / 1_000_000)
}

/** The most a call can cost: every input token in the dearest bucket, every output token used. */
export function worstCostMicroUsd(
  { input, output }: { input: number; output: number },
  price: Price,
): number {
  const dearest = Math.max(
    price.inputUncached,
    price.cacheRead,
    price.cacheWrite5m,
    price.cacheWrite1h,
  )
  return Math.ceil((input * dearest + output * price.output) / 1_000_000)
}
