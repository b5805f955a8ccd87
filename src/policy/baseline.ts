/**
 * What every sandbox has whatever its mode, as data: the part of a confinement that no policy file
 * can change. Sizes in bytes.
 */
import type { Limits, TmpfsMount } from '../schema/index.ts'

const MIB = 1024 ** 2

/** Scratch space in memory; what is written there counts against the memory limit. */
export const TMPFS: readonly TmpfsMount[] = [
  tmpfs('/tmp', { size: 256 * MIB, mode: '1777', exec: true, owned: false }),
  tmpfs('/home/agent', { size: 256 * MIB, mode: '700', exec: true, owned: true }),
  tmpfs('/var/tmp', { size: 64 * MIB, mode: '1777', exec: true, owned: false }),
  tmpfs('/run', { size: 16 * MIB, mode: '755', exec: false, owned: false }),
]

export const SHM_BYTES = 64 * MIB

/** Half the default weight: other work of the machine goes first. */
export const CPU_SHARES = 512
/** A sandbox dies before the machine's own processes. */
export const OOM_SCORE_ADJ = 500

/** Lets a program without privileges listen on port 80 of its own loopback. */
export const SYSCTLS: Readonly<Record<string, string>> = {
  'net.ipv4.ip_unprivileged_port_start': '0',
}

/** Hidden: what tells about the host, or about hardware nobody in a sandbox has. */
export const MASKED_PATHS: readonly string[] = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/cmdline',
  '/proc/config.gz',
  '/proc/diskstats',
  '/proc/interrupts',
  '/proc/kallsyms',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/modules',
  '/proc/partitions',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/dmi',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
  '/sys/fs/bpf',
  '/sys/kernel/debug',
  '/sys/kernel/tracing',
]

export const READONLY_PATHS: readonly string[] = [
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
]

/** `nproc` is not here: it counts a user id across containers; the process limit does the job. */
export function ulimits({ disk }: Limits) {
  return [
    { name: 'nofile', soft: 4096, hard: 8192 },
    { name: 'core', soft: 0, hard: 0 },
    { name: 'fsize', soft: disk, hard: disk },
    { name: 'memlock', soft: 65_536, hard: 65_536 },
  ]
}

function tmpfs(
  target: string,
  options: Pick<TmpfsMount, 'size' | 'mode' | 'exec' | 'owned'>,
): TmpfsMount {
  return { target, inodes: 65_536, ...options }
}
