/** The part of the receipt that speaks of amounts: what the control group and the kernel allow. */
import type { ReceiptItem } from '../schema/index.ts'
import { type ReceiptEvidence, receiptItem } from './receipt-item.ts'

/** Kernels round a limit down or up to whole pages. */
const PAGE_MAX = 65_536

const ULIMIT_NAMES: Readonly<Record<string, string>> = {
  nofile: 'Max open files',
  core: 'Max core file size',
  fsize: 'Max file size',
  memlock: 'Max locked memory',
  nproc: 'Max processes',
  stack: 'Max stack size',
  msgqueue: 'Max msgqueue size',
  sigpending: 'Max pending signals',
  rtprio: 'Max realtime priority',
  nice: 'Max nice priority',
}

export function limitItems(evidence: ReceiptEvidence): ReceiptItem[] {
  const { limits } = evidence.request.confinement
  return [
    measured(evidence, 'memory', limits.memory),
    swapItem(evidence, limits.memory),
    measured(evidence, 'pids', limits.pids),
    measured(evidence, 'cpus', limits.cpus),
    ...evidence.request.confinement.ulimits.map((ulimit) => ulimitItem(evidence, ulimit)),
    watched('disk', limits.disk),
    watched('inodes', limits.inodes),
  ]
}

/** From inside, where the limit acts; gVisor shows control groups of its own making, without limits. */
function measured(
  { request, inspect, inside }: ReceiptEvidence,
  name: 'memory' | 'pids' | 'cpus',
  requested: number,
): ReceiptItem {
  const host = inspect.HostConfig
  const set = { memory: host.Memory, pids: host.PidsLimit, cpus: host.NanoCpus / 1e9 }[name]
  const own = inside[name]
  const outside = request.confinement.isolation === 'gvisor' && (own ?? Infinity) === Infinity
  const found = outside && set > 0 ? set : own
  const slack = name === 'memory' ? PAGE_MAX : requested / 1000
  return receiptItem(name, {
    requested: String(requested),
    enforced: String(found ?? 'unknown'),
    source: outside ? 'inspect' : 'inside',
    holds: found !== undefined && found <= requested + slack,
  })
}

/** Kernels without swap accounting are common, and no setting of ours can add it. */
function swapItem(
  { inside, engine, inspect, request }: ReceiptEvidence,
  memory: number,
): ReceiptItem {
  const total = inside.memoryAndSwap
  const set = inspect.HostConfig.MemorySwap
  if (total === undefined) {
    const holds = request.confinement.isolation === 'gvisor' && set === memory
    return {
      guarantee: 'swap',
      requested: '0',
      enforced: engine.limits.swap ? 'unknown' : 'the kernel does not account swap',
      source: 'engine',
      status: holds ? 'enforced' : 'soft',
    }
  }
  return receiptItem('swap', {
    requested: '0',
    enforced: String(total === Infinity ? total : Math.max(0, total - (inside.memory ?? 0))),
    source: 'inside',
    holds: total <= memory + PAGE_MAX,
  })
}

function ulimitItem(
  { inside }: ReceiptEvidence,
  { name, soft, hard }: { name: string; soft: number; hard: number },
): ReceiptItem {
  const found = inside.ulimits.get(ULIMIT_NAMES[name] ?? name)
  return receiptItem(`ulimit_${name}`, {
    requested: `${soft}:${hard}`,
    enforced: found === undefined ? 'unknown' : `${found.soft}:${found.hard}`,
    source: 'inside',
    // Lower is what an engine gives that may not raise its own limit.
    holds: found !== undefined && found.hard <= hard && found.soft <= soft,
  })
}

/** A directory of the host has no quota: the orchestrator looks and ends the sandbox. */
function watched(guarantee: string, requested: number): ReceiptItem {
  return {
    guarantee,
    requested: String(requested),
    enforced: 'watched by the orchestrator',
    source: 'engine',
    status: 'soft',
  }
}
