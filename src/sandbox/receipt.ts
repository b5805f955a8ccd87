/**
 * Requested against enforced. Made once per sandbox, from one inspect and one probe from inside,
 * before any task code runs; a guarantee without evidence is missing, never assumed. Pure: the
 * same evidence always gives the same receipt.
 */
import { OpenExecError, type Receipt, type ReceiptItem } from '../schema/index.ts'
import { NO_RESOLVER } from './container-spec.ts'
import type { InspectFacts } from './inspect-facts.ts'
import { type ReceiptEvidence, receiptItem } from './receipt-item.ts'
import { kernelItems } from './receipt-kernel.ts'
import { limitItems } from './receipt-limits.ts'
import { mountItems } from './receipt-mounts.ts'

export interface ReceiptOptions {
  /** Digest of the confinement. */
  confinement: string
  acceptDegraded: boolean
}

/** Compares what was asked with the evidence, item by item. */
export function writeReceipt(evidence: ReceiptEvidence, options: ReceiptOptions): Receipt {
  const { request, inspect, engine } = evidence
  const items = [
    ...processItems(evidence),
    ...boundaryItems(evidence),
    ...networkItems(evidence),
    ...mountItems(evidence),
    ...limitItems(evidence),
  ]
  const complete = items.every(({ status }) => status !== 'missing')
  return {
    version: 1,
    confinement: options.confinement,
    image: { name: request.image.name, id: inspect.Image },
    engine: { version: engine.version, api: engine.api, runtime: inspect.HostConfig.Runtime },
    items,
    complete,
    degraded: !complete && options.acceptDegraded,
  }
}

/** Throws `confinement_weaker` with the names of what is missing, unless the caller accepted it. */
export function requireEnforced(receipt: Receipt): void {
  if (receipt.complete || receipt.degraded) return
  const missing = receipt.items.filter(({ status }) => status === 'missing')
  const named = missing.map(
    ({ guarantee, requested, enforced }) =>
      `${guarantee} (requested "${requested}", found "${enforced}")`,
  )
  throw new OpenExecError(
    'confinement_weaker',
    `Cannot use this sandbox: the engine does not enforce ${named.join(', ')}`,
    {
      hint: 'Run `openexec doctor`, or accept the weaker sandbox with `--accept-degraded`',
      details: { missing, receipt },
    },
  )
}

function processItems(evidence: ReceiptEvidence): ReceiptItem[] {
  const { request, inspect, inside } = evidence
  const { uid, gid } = request.user
  const user = [...inside.uids, '/', ...inside.gids, '/', ...inside.groups].join(' ')
  const only = (ids: readonly number[], id: number) =>
    ids.length === 4 && ids.every((one) => one === id)
  const sets = Object.entries(inside.capabilities)
  return [
    receiptItem('user', {
      requested: `${uid}:${gid}`,
      enforced: user,
      source: 'inside',
      holds:
        only(inside.uids, uid) && only(inside.gids, gid) && inside.groups.every((id) => id === gid),
    }),
    receiptItem('capabilities', {
      requested: 'none',
      enforced: sets.map(([name, mask]) => `${name}=${mask}`).join(' '),
      source: 'inside',
      holds: sets.length >= 4 && sets.every(([, mask]) => /^0+$/.test(mask)),
    }),
    receiptItem('privileged', {
      requested: 'false',
      enforced: String(inspect.HostConfig.Privileged),
      source: 'inspect',
      holds: !inspect.HostConfig.Privileged && inspect.HostConfig.CapAdd.length === 0,
    }),
    ...kernelItems(evidence),
  ]
}

/** Which boundary there is at all, and that no hole was made in it. */
function boundaryItems({ request, inspect }: ReceiptEvidence): ReceiptItem[] {
  const host = inspect.HostConfig
  const shared = Object.entries({
    ipc: host.IpcMode !== 'private',
    pid: host.PidMode !== '' && host.PidMode !== 'private',
    uts: host.UTSMode !== '' && host.UTSMode !== 'private',
    user: host.UsernsMode === 'host',
    cgroup: host.CgroupnsMode !== 'private',
  }).flatMap(([name, isShared]) => (isShared ? [name] : []))
  const devices = host.Devices + host.DeviceRequests + host.DeviceCgroupRules
  return [
    receiptItem('image', {
      requested: request.image.id,
      enforced: inspect.Image,
      source: 'inspect',
      holds: sameImage(inspect.Image, request.image.id),
    }),
    receiptItem('runtime', {
      requested: request.runtime,
      enforced: host.Runtime,
      source: 'inspect',
      holds: host.Runtime === request.runtime,
    }),
    receiptItem('namespaces', {
      requested: 'own ipc, pid, uts, cgroup and user',
      enforced: shared.length === 0 ? 'own' : `shared: ${shared.join(', ')}`,
      source: 'inspect',
      holds: shared.length === 0,
    }),
    receiptItem('devices', {
      requested: '0',
      enforced: String(devices),
      source: 'inspect',
      holds: devices === 0,
    }),
    coveredItem('masked_paths', request.confinement.maskedPaths, host.MaskedPaths),
    coveredItem('readonly_paths', request.confinement.readonlyPaths, host.ReadonlyPaths),
    ...habitItems(inspect),
  ]
}

/** What an engine does with containers of its own accord: keep output, look after health, restart. */
function habitItems({ Config, HostConfig }: InspectFacts): ReceiptItem[] {
  const health = Config.Healthcheck?.Test ?? []
  const restart = HostConfig.RestartPolicy?.Name || 'no'
  return [
    receiptItem('log', {
      requested: 'none',
      enforced: HostConfig.LogConfig.Type || 'unknown',
      source: 'inspect',
      holds: HostConfig.LogConfig.Type === 'none',
    }),
    receiptItem('healthcheck', {
      requested: 'none',
      enforced: health[0] === 'NONE' ? 'none' : health.join(' ') || 'none',
      source: 'inspect',
      holds: health.length === 0 || health[0] === 'NONE',
    }),
    receiptItem('restart', {
      requested: 'no',
      enforced: restart,
      source: 'inspect',
      holds: restart === 'no',
    }),
  ]
}

function coveredItem(
  name: string,
  requested: readonly string[],
  set: readonly string[],
): ReceiptItem {
  const open = requested.filter((path) => !set.includes(path))
  return receiptItem(name, {
    requested: `${requested.length} paths`,
    enforced: open.length === 0 ? `${requested.length} paths` : `open: ${open.join(', ')}`,
    source: 'inspect',
    holds: open.length === 0,
  })
}

function sameImage(one: string, other: string): boolean {
  return one !== '' && one.replace(/^sha256:/, '') === other.replace(/^sha256:/, '')
}

/** Kernel modules leave these in every network namespace; without a route they carry nothing. */
const DORMANT = /^(?:tunl|gre|gretap|erspan|sit|ip6tnl|ip6gre|ip_vti|ip6_vti)0$/

function networkItems({ inspect, inside }: ReceiptEvidence): ReceiptItem[] {
  const live = inside.interfaces?.filter((name) => !DORMANT.test(name))
  return [
    receiptItem('network', {
      requested: 'none',
      enforced: inspect.HostConfig.NetworkMode,
      source: 'inspect',
      holds: inspect.HostConfig.NetworkMode === 'none',
    }),
    receiptItem('interfaces', {
      requested: 'lo',
      enforced: inside.interfaces?.join(' ') ?? 'unknown',
      source: 'inside',
      holds: live?.length === 1 && live[0] === 'lo',
    }),
    receiptItem('resolver', {
      requested: NO_RESOLVER,
      enforced: inspect.HostConfig.Dns.join(' ') || 'the one of the host',
      source: 'inspect',
      holds: inspect.HostConfig.Dns.join() === NO_RESOLVER,
    }),
    receiptItem('routes', {
      requested: '0',
      enforced: String(inside.routes ?? 'unknown'),
      source: 'inside',
      holds: inside.routes === 0,
    }),
  ]
}
