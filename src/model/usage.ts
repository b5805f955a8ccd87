import type { Usage } from '../schema/index.ts'

export const NO_USAGE: Usage = {
  inputUncached: 0,
  cacheRead: 0,
  cacheWrite5m: 0,
  cacheWrite1h: 0,
  output: 0,
  reasoning: 0,
  costMicroUsd: 0,
}

/** The sum of two usages, bucket by bucket. */
export function addUsage(a: Usage, b: Usage): Usage {
  return {
    inputUncached: a.inputUncached + b.inputUncached,
    cacheRead: a.cacheRead + b.cacheRead,
    cacheWrite5m: a.cacheWrite5m + b.cacheWrite5m,
    cacheWrite1h: a.cacheWrite1h + b.cacheWrite1h,
    output: a.output + b.output,
    reasoning: a.reasoning + b.reasoning,
    costMicroUsd: a.costMicroUsd + b.costMicroUsd,
  }
}

/** All tokens of a usage; `reasoning` is a part of `output` and not counted twice. */
export function usageTokens(usage: Usage): number {
  const { inputUncached, cacheRead, cacheWrite5m, cacheWrite1h, output } = usage
  return inputUncached + cacheRead + cacheWrite5m + cacheWrite1h + output
}
