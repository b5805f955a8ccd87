/** What of the program itself the decisions of a run depend on; part of its policy snapshot. */
import { describeActions } from '../actions/index.ts'
import { PRICE_TABLE, priceTableHash } from '../model/index.ts'
import type { JsonValue } from '../schema/index.ts'
import { TOOLSETS, toolsetsHash } from '../tools/index.ts'

export function describeTools(): JsonValue {
  return { actions: describeActions(), toolsets: toolsetsHash(TOOLSETS) }
}

export function describePrices(): JsonValue {
  const { version, prices } = PRICE_TABLE
  return { version, hash: priceTableHash(PRICE_TABLE), models: Object.keys(prices).sort() }
}
