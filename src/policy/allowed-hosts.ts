import type { Policy } from './policy.ts'

/** Every host pattern a policy permits, with or without conditions; sorted, each once. */
export function allowedHosts({ network }: Pick<Policy, 'network'>): string[] {
  return [...new Set([...network.allow, ...network.entries.map(({ host }) => host)])].sort()
}
