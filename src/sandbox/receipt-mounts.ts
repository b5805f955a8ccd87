/** The part of the receipt that speaks of files: what is mounted, how, and that nothing else is. */
import type { ReceiptItem, TmpfsMount } from '../schema/index.ts'
import { SUPERVISOR_DIRECTORY } from './container-spec.ts'
import type { InsideMount } from './inside-facts.ts'
import { type ReceiptEvidence, receiptItem } from './receipt-item.ts'

const PAGE_MAX = 65_536

/** What engines mount into every container, besides what was asked. */
const OF_ENGINE =
  /^\/$|^\/(?:proc|sys|dev)(?:\/|$)|^\/etc\/(?:resolv\.conf|hostname|hosts)$|^\/run\/\.containerenv$/

export function mountItems(evidence: ReceiptEvidence): ReceiptItem[] {
  const { request, inside } = evidence
  const root = last(inside.mounts, '/')
  const rootfs = request.confinement.rootfs
  return [
    receiptItem('rootfs', {
      requested: rootfs,
      enforced: access(root),
      source: 'inside',
      holds: rootfs === 'writable' || access(root) === 'read_only',
    }),
    flagsItem('rootfs_flags', root),
    ...request.mounts.map(({ target, readOnly }) => {
      const found = access(last(inside.mounts, target))
      const requested = readOnly ? 'read_only' : 'read_write'
      return receiptItem(`mount ${target}`, {
        requested,
        enforced: found,
        source: 'inside',
        holds: found === requested,
      })
    }),
    ...overlayItems(evidence),
    flagsItem('workspace_flags', last(inside.mounts, '/workspace')),
    supervisorItem(evidence),
    sourcesItem(evidence),
    unexpectedItem(evidence),
    ...request.confinement.tmpfs.map((mount) =>
      request.confinement.isolation === 'gvisor'
        ? gvisorTmpfsItem(mount, inside.mounts)
        : tmpfsItem(mount, inside.mounts),
    ),
    shmItem(evidence),
  ]
}

function last(mounts: readonly InsideMount[], target: string): InsideMount | undefined {
  return mounts.findLast((mount) => mount.target === target)
}

function access(mount: InsideMount | undefined): string {
  if (mount === undefined) return 'not mounted'
  return mount.options.has('ro') ? 'read_only' : 'read_write'
}

/** Without capabilities and with no-new-privileges neither flag decides anything by itself. */
function flagsItem(guarantee: string, mount: InsideMount | undefined): ReceiptItem {
  const flags = ['nosuid', 'nodev'].filter((flag) => mount?.options.has(flag))
  return {
    guarantee,
    requested: 'nosuid,nodev',
    enforced: flags.join(',') || 'left to no_new_privileges and capabilities',
    source: 'inside',
    status: flags.length === 2 ? 'enforced' : 'soft',
  }
}

/** An engine that does not see the overlay would mount the empty directory below it. */
function overlayItems({ request, inside }: ReceiptEvidence): ReceiptItem[] {
  const { isolation } = request.confinement
  return request.mounts.flatMap(({ target, overlay }): ReceiptItem[] => {
    if (overlay !== true) return []
    const type = last(inside.mounts, target)?.type ?? 'not mounted'
    const item = { requested: 'overlay', enforced: type, source: 'inside' } as const
    // gVisor has a file system of its own between the sandbox and the host's.
    if (isolation === 'gvisor') return [{ guarantee: 'workspace_files', ...item, status: 'soft' }]
    return [receiptItem('workspace_files', { ...item, holds: type === 'overlay' })]
  })
}

function supervisorItem({ inside, inspect }: ReceiptEvidence): ReceiptItem {
  const found = access(last(inside.mounts, SUPERVISOR_DIRECTORY))
  const [program] = inspect.Config.Entrypoint
  return receiptItem('supervisor', {
    requested: `${SUPERVISOR_DIRECTORY}/supervisor, read_only`,
    enforced: `${program ?? 'none'}, ${found}`,
    source: 'inside',
    holds: found === 'read_only' && program === `${SUPERVISOR_DIRECTORY}/supervisor`,
  })
}

/** Which directories of the host and which volumes the engine really took. */
function sourcesItem({ spec, inspect }: ReceiptEvidence): ReceiptItem {
  const { Mounts = [] } = spec.HostConfig
  const line = (source: string, target: string, writable: boolean) =>
    `${source} on ${target} ${writable ? 'rw' : 'ro'}`
  const requested = Mounts.map(({ Source, Target, ReadOnly }) =>
    line(Source, Target, ReadOnly !== true),
  )
  const found = inspect.Mounts.filter(({ Type }) => Type !== 'tmpfs').map((mount) =>
    line(mount.Type === 'volume' ? mount.Name : mount.Source, mount.Destination, mount.RW),
  )
  const different = [
    ...requested.filter((mount) => !found.includes(mount)).map((mount) => `without ${mount}`),
    ...found.filter((mount) => !requested.includes(mount)).map((mount) => `with ${mount}`),
  ]
  return receiptItem('mount_sources', {
    requested: `${requested.length} mounts`,
    enforced: different.join('; ') || `${found.length} mounts`,
    source: 'inspect',
    holds: different.length === 0 && inspect.HostConfig.VolumesFrom === 0,
  })
}

function unexpectedItem({ spec, inside }: ReceiptEvidence): ReceiptItem {
  const { Mounts = [], Tmpfs = {} } = spec.HostConfig
  const expected = [...Mounts.map(({ Target }) => Target), ...Object.keys(Tmpfs)]
  const unexpected = inside.mounts
    .map(({ target }) => target)
    .filter((target) => !expected.includes(target) && !OF_ENGINE.test(target))
  return receiptItem('mounts', {
    requested: 'no others',
    enforced: unexpected.join(' ') || (inside.mounts.length === 0 ? 'unknown' : 'no others'),
    source: 'inside',
    holds: unexpected.length === 0 && inside.mounts.length > 0,
  })
}

function tmpfsItem(mount: TmpfsMount, mounts: readonly InsideMount[]): ReceiptItem {
  const found = last(mounts, mount.target)
  const flags = ['nosuid', 'nodev', ...(mount.exec ? [] : ['noexec'])]
  const size = option(found, 'size')
  const inodes = option(found, 'nr_inodes')
  return receiptItem(`tmpfs ${mount.target}`, {
    requested: [...flags, `size=${mount.size}`, `nr_inodes=${mount.inodes}`].join(','),
    enforced: found === undefined ? 'not mounted' : `${found.type} ${[...found.options].join(',')}`,
    source: 'inside',
    holds:
      found?.type === 'tmpfs' &&
      flags.every((flag) => found.options.has(flag)) &&
      isWithin(size, mount.size + PAGE_MAX) &&
      isWithin(inodes, mount.inodes),
  })
}

/** Zero means no limit to a file system in memory. */
function isWithin(found: number | undefined, limit: number): boolean {
  return found !== undefined && found > 0 && found <= limit
}

/** gVisor keeps the size, counts no inodes, and shows neither nosuid nor nodev. */
function gvisorTmpfsItem(mount: TmpfsMount, mounts: readonly InsideMount[]): ReceiptItem {
  const found = last(mounts, mount.target)
  const size = option(found, 'size')
  const holds =
    found?.type === 'tmpfs' &&
    isWithin(size, mount.size + PAGE_MAX) &&
    (mount.exec || found.options.has('noexec'))
  return {
    guarantee: `tmpfs ${mount.target}`,
    requested: `size=${mount.size},nr_inodes=${mount.inodes}`,
    enforced: `size=${size ?? 'unknown'}; gVisor counts no inodes`,
    source: 'inside',
    status: holds ? 'soft' : 'missing',
  }
}

function shmItem({ request, inside }: ReceiptEvidence): ReceiptItem {
  const size = option(last(inside.mounts, '/dev/shm'), 'size')
  return receiptItem('tmpfs /dev/shm', {
    requested: `size=${request.confinement.shm}`,
    enforced: `size=${size ?? 'unknown'}`,
    source: 'inside',
    holds: isWithin(size, request.confinement.shm + PAGE_MAX),
  })
}

/** `size=65536k` → bytes. */
function option(mount: InsideMount | undefined, name: string): number | undefined {
  const text = [...(mount?.options ?? [])].find((one) => one.startsWith(`${name}=`))
  const [, digits, unit = ''] = /=(\d+)([kmg]?)$/.exec(text ?? '') ?? []
  if (digits === undefined) return undefined
  const factor = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[unit] ?? 1
  return Number(digits) * factor
}
