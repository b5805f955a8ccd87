/**
 * From what runs reached to the tightest list that would have let them: exact hosts, exact ports, and
 * methods where every request could be read. What was denied is no need; it is told apart.
 */
import { canonicalHost } from './host.ts'

/** One wish of a recorded run to reach a host. */
export interface NetworkUse {
  host: string
  port: number
  /** Of a request that could be read. */
  method: string | undefined
  decision: 'allowed' | 'denied' | 'failed'
  connections: number
}

interface LearntEntry {
  /** As `network.allow` spells it, port included. */
  host: string
  /** Empty where a tunnel hid the requests. */
  methods: string[]
  connections: number
}

export interface LearntNetwork {
  allow: LearntEntry[]
  /** Asked for and not reached: `host:port`. */
  denied: string[]
}

/** Fewer hosts than this say nothing about a suffix. */
const MERGE_MIN = 2
/** A wildcard stands before at least so many labels. */
const LABELS_MIN = 2

interface Need {
  host: string
  port: number
  methods: Set<string>
  isHidden: boolean
  connections: number
}

export function learnNetwork(
  uses: readonly NetworkUse[],
  { mergeSuffixes }: { mergeSuffixes: boolean },
): LearntNetwork {
  const needs = new Map<string, Need>()
  const denied = new Set<string>()
  for (const { host, port, method, decision, connections } of uses) {
    const key = `${spelt(host)}:${port}`
    if (decision === 'denied') {
      denied.add(key)
      continue
    }
    const known = needs.get(key)
    const need = known ?? { host, port, methods: new Set(), isHidden: false, connections: 0 }
    if (method === undefined) need.isHidden = true
    else need.methods.add(method)
    need.connections += connections
    needs.set(key, need)
  }
  const found = mergeSuffixes ? merged([...needs.values()]) : [...needs.values()]
  return {
    allow: found.map(entryOf).sort((a, b) => (a.host < b.host ? -1 : 1)),
    denied: [...denied].filter((key) => !needs.has(key)).sort(),
  }
}

/** The list as the part of a policy file it is meant for. */
export function learntYaml({ allow, denied }: LearntNetwork): string {
  const entries = allow.map(({ host, methods }) => {
    const shown = JSON.stringify(host)
    return methods.length === 0
      ? `    - ${shown}`
      : `    - { host: ${shown}, methods: [${methods.join(', ')}] }`
  })
  return [
    'version: 1',
    'network:',
    ...(entries.length === 0 ? ['  allow: []'] : ['  allow:', ...entries]),
    ...(denied.length === 0 ? [] : ['# Asked for, and denied then:']),
    ...denied.map((key) => `#   - ${JSON.stringify(key)}`),
    '',
  ].join('\n')
}

function entryOf({ host, port, methods, isHidden, connections }: Need): LearntEntry {
  return {
    host: `${spelt(host)}:${port}`,
    methods: isHidden ? [] : [...methods].sort(),
    connections,
  }
}

/** Hosts that share all but their first label, by port. */
function merged(needs: readonly Need[]): Need[] {
  const groups = new Map<string, Need[]>()
  for (const need of needs) {
    const key = `${suffixOf(need.host)} ${need.port}`
    groups.set(key, [...(groups.get(key) ?? []), need])
  }
  return [...groups].flatMap(([key, group]) => {
    const [first] = group
    if (first === undefined || group.length < MERGE_MIN) return group
    return [
      {
        host: key.split(' ')[0] ?? first.host,
        port: first.port,
        methods: new Set(group.flatMap(({ methods }) => [...methods])),
        isHidden: group.some(({ isHidden }) => isHidden),
        connections: group.reduce((sum, each) => sum + each.connections, 0),
      },
    ]
  })
}

/** The pattern that would cover it; the host itself where none may. */
function suffixOf(host: string): string {
  const suffix = host.slice(host.indexOf('.') + 1)
  const isName = canonicalHost(host)?.kind === 'name' && suffix !== host
  return isName && suffix.split('.').length >= LABELS_MIN ? `*.${suffix}` : host
}

function spelt(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
