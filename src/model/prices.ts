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

const FREE: Price = { inputUncached: 0, cacheRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 0 }

/** Prices of the models that ship with the program. A model without a row needs one from its user. */
export const PRICE_TABLE: PriceTable = { version: '1', prices: { 'scripted/*': FREE } }

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
