/**
 * What a policy file can say in the right shape and still not mean: patterns that cannot be read,
 * rules that can never apply, numbers out of range. Every complaint names its place in the file.
 */
import type { Finding, Limits, ParsedYaml, PolicyFile } from '../schema/index.ts'
import { checkEntries } from './check-entries.ts'
import { checkRules } from './check-rules.ts'
import { checkSecrets } from './check-secrets.ts'
import { checkGlobs, checkHosts, type Complaint } from './complaint.ts'
import { LIMIT_RANGES, limitText } from './limits.ts'
import { PRESETS } from './presets.ts'

const GVISOR_PIDS_MIN = 256
const PATH_LISTS = ['deny_read', 'deny_write', 'read_only', 'write_only'] as const

/** All complaints about a file, in no particular order; none when it can be used. */
export function checkPolicy({ value, locate }: ParsedYaml<PolicyFile>): Finding[] {
  const complaints = [
    ...checkNetwork(value),
    ...PATH_LISTS.flatMap((list) => checkGlobs(value.paths?.[list] ?? [], ['paths', list])),
    ...checkLimits(value),
    ...checkSecrets(value),
    ...checkRules(value.rules ?? []),
  ]
  return complaints.map((complaint) => ({ ...complaint, ...locate(complaint.path) }))
}

function checkNetwork({ network }: PolicyFile): Complaint[] {
  const known = Object.keys(PRESETS)
  const unknown = (network?.presets ?? []).flatMap((name, i) => {
    if (known.includes(name)) return []
    const message = `Unknown preset "${name}" (known: ${known.join(', ')})`
    return [{ code: 'unknown_preset', message, path: ['network', 'presets', i] }]
  })
  return [
    ...unknown,
    ...checkEntries(network?.allow ?? [], ['network', 'allow']),
    ...checkHosts(network?.deny ?? [], ['network', 'deny']),
  ]
}

function checkLimits({ limits, isolation }: PolicyFile): Complaint[] {
  const complaints = Object.entries(limits ?? {}).flatMap(([key, value]) => {
    // Object.entries widens the keys of a strict object.
    const name = key as keyof Limits
    const [least, most] = LIMIT_RANGES[name]
    if (value === undefined || (value >= least && value <= most)) return []
    const message = `Limit "${name}" is ${limitText(name, value)}: expected ${limitText(name, least)} to ${limitText(name, most)}`
    return [{ code: 'limit_out_of_range', message, path: ['limits', name] }]
  })
  if (isolation !== 'gvisor' || (limits?.pids ?? GVISOR_PIDS_MIN) >= GVISOR_PIDS_MIN)
    return complaints
  const message = `Limit "pids" is ${limits?.pids}: gVisor counts its own threads and needs at least ${GVISOR_PIDS_MIN}`
  return [...complaints, { code: 'limit_out_of_range', message, path: ['limits', 'pids'] }]
}
