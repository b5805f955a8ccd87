import type { NetworkEntry } from '../schema/index.ts'
import { blockProblem, classifyAddress } from './address.ts'
import { checkGlobs, checkHosts, type Complaint } from './complaint.ts'
import { urlGlob } from './url-path.ts'

/** Complaints about `network.allow`, whose entries are hosts or hosts with conditions. */
export function checkEntries(
  entries: readonly (string | NetworkEntry)[],
  path: readonly PropertyKey[],
): Complaint[] {
  return entries.flatMap((entry, i) => {
    const at = [...path, i]
    if (typeof entry === 'string')
      return checkHosts([entry], path).map((each) => ({ ...each, path: at }))
    return [
      ...checkHosts([entry.host], at).map((each) => ({ ...each, path: [...at, 'host'] })),
      ...checkGlobs((entry.paths ?? []).map(urlGlob), [...at, 'paths']),
      ...checkAddresses(entry.addresses ?? [], [...at, 'addresses']),
    ]
  })
}

function checkAddresses(blocks: readonly string[], path: readonly PropertyKey[]): Complaint[] {
  return blocks.flatMap((block, i) => {
    const problem = blockProblem(block) ?? forbidden(block)
    if (problem === undefined) return []
    const message = `Addresses "${block}" cannot be used: ${problem}`
    return [{ code: 'bad_addresses', message, path: [...path, i] }]
  })
}

/** Named blocks only widen to what may be named; the machine and its links never are. */
function forbidden(block: string): string | undefined {
  const verdict = classifyAddress(block.split('/')[0] ?? '', [])
  return verdict.kind === 'forbidden' ? `${verdict.range} addresses are never reached` : undefined
}
