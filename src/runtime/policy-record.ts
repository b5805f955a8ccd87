/**
 * What a policy can be taught by runs that were: the hosts they needed, and what another policy would
 * have said to each of their recorded decisions. Reads the timeline and changes nothing.
 */
import { z } from 'zod'
import {
  defaultPolicy,
  expandPresets,
  learnNetwork,
  learntYaml,
  type NetworkUse,
  readPolicy,
  type RecordedDecision,
  simulate,
} from '../policy/index.ts'
import {
  Capability,
  DecisionKind,
  type Event,
  type LearnRequest,
  type LearntPolicy,
  Resource,
  type RunId,
  SandboxMode,
  type SimulateRequest,
  type Simulation,
} from '../schema/index.ts'
import { findRun, listRuns, readEventsOfType } from '../state/index.ts'
import type { RuntimeDeps } from './create-runtime.ts'

const CHANGES_MAX = 500
const SEVERITY: readonly DecisionKind[] = ['block', 'require_approval', 'allow']

const Egress = z.object({
  host: z.string(),
  port: z.number().int().min(1).max(65_535),
  decision: z.enum(['allowed', 'denied', 'failed']),
  method: z.string().optional(),
})
const Counted = z.object({ connections: z.number().int().default(1) })
const Check = z.object({
  capability: Capability,
  subject: z.string(),
  resource: z.object({ kind: z.string() }).loose(),
  mode: SandboxMode,
  decision: DecisionKind,
})

/** Throws `not_found` for a run that is not there. */
export function learnPolicy(
  { state: { db }, tenant }: RuntimeDeps,
  { runs, mergeSuffixes }: LearnRequest,
): LearntPolicy {
  const ids = [...new Set(runs.map((prefix) => findRun(db, tenant, prefix).id))]
  const uses = ids.flatMap((id) => readEventsOfType(db, id, 'egress').flatMap(useOf))
  const learnt = learnNetwork(uses, { mergeSuffixes })
  const isCut = (id: RunId) =>
    readEventsOfType(db, id, 'notice').some(({ payload }) => payload['kind'] === 'egress')
  return { runs: ids, ...learnt, incomplete: ids.filter(isCut), yaml: learntYaml(learnt) }
}

/** Throws `policy_invalid` for the policy, `not_found` for a run, `config_invalid` for a preset. */
export function simulatePolicy(deps: RuntimeDeps, { document, runs }: SimulateRequest): Simulation {
  const { db } = deps.state
  const read = document === undefined ? defaultPolicy() : readPolicy(document)
  const policy = read.network.presets.length === 0 ? read : expandPresets(read, deps.presets())
  const ids =
    'last' in runs
      ? listRuns(db, {
          limit: runs.last,
          status: undefined,
          before: undefined,
          tenant: deps.tenant,
        }).map(({ id }) => id)
      : [...new Set(runs.ids.map((prefix) => findRun(db, deps.tenant, prefix).id))]
  const recorded = ids.flatMap((run) => recordedOf(deps, run).map((each) => ({ run, each })))
  const changes = recorded.flatMap(({ run, each }): Simulation['changes'] => {
    const { now, ...told } = simulate(policy, each)
    if (now === each.was) return []
    const { stage, capability, resource } = each.request
    return [{ run, stage, capability, what: shown(resource), was: each.was, now, ...told }]
  })
  const unique = [...new Map(changes.map((each) => [JSON.stringify(each), each])).values()].sort(
    (a, b) => SEVERITY.indexOf(a.now) - SEVERITY.indexOf(b.now),
  )
  return {
    runs: ids,
    decisions: recorded.length,
    changes: unique.slice(0, CHANGES_MAX),
    omitted: Math.max(0, unique.length - CHANGES_MAX),
  }
}

function useOf({ payload, volatile }: Event): NetworkUse[] {
  const [said, counted] = [Egress.safeParse(payload), Counted.safeParse(volatile ?? {})]
  if (!said.success) return []
  const { host, port, decision, method } = said.data
  const connections = counted.success ? counted.data.connections : 1
  return [{ host, port, decision, method, connections }]
}

/** Approved things count as allowed: a person said so then, and may again. */
function recordedOf({ state: { db } }: RuntimeDeps, run: RunId): RecordedDecision[] {
  const checks = readEventsOfType(db, run, 'policy_check').flatMap(({ stage, payload }) => {
    const said = Check.safeParse(payload)
    const resource = Resource.safeParse(withoutHash(payload['resource']))
    if (!said.success || !resource.success) return []
    const { capability, subject, mode, decision } = said.data
    const request = { capability, subject, mode, stage: stage ?? '', resource: resource.data }
    return [{ request, was: decision, method: undefined }]
  })
  const modes = new Map(checks.map(({ request }) => [request.stage, request.mode]))
  const hosts = readEventsOfType(db, run, 'egress').flatMap(({ stage = '', payload }) => {
    const said = Egress.safeParse(payload)
    if (!said.success) return []
    const { host, port, decision, method } = said.data
    const was: DecisionKind = decision === 'denied' ? 'block' : 'allow'
    const request = {
      capability: 'network_access' as const,
      resource: { kind: 'host' as const, host, port },
      mode: modes.get(stage) ?? ('workspace_write' as const),
      stage,
      subject: 'egress',
    }
    return [{ request, was, method }]
  })
  return [...checks, ...hosts]
}

/** Long commands were cut in the record; their first words still decide. */
function withoutHash(resource: unknown): unknown {
  if (typeof resource !== 'object' || resource === null) return resource
  const { argv_hash: _, ...rest } = { argv_hash: undefined, ...resource }
  return rest
}

function shown(resource: Resource): string {
  switch (resource.kind) {
    case 'none':
      return '-'
    case 'path':
      return `${resource.access} ${resource.path}`
    case 'argv':
      return resource.argv.join(' ').slice(0, 200)
    case 'host':
      return `${resource.host}:${resource.port}`
    case 'name':
      return resource.name
  }
}
