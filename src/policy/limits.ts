import type { Limits, PolicyLimits } from '../schema/index.ts'

const MB = 1e6
const GB = 1e9
const SECOND = 1000
const MINUTE = 60 * SECOND
const DAY = 24 * 60 * MINUTE

/** What holds where a policy says nothing. */
const DEFAULT_LIMITS: Limits = {
  cpus: 2,
  memory: 2 * GB,
  pids: 512,
  disk: 4 * GB,
  inodes: 200_000,
  wall: 30 * MINUTE,
  output: 64 * MB,
}

/** Outside these a sandbox cannot start or the number is a slip of the pen. */
export const LIMIT_RANGES: Readonly<Record<keyof Limits, readonly [number, number]>> = {
  cpus: [0.01, 1024],
  memory: [16 * MB, 16_384 * GB],
  pids: [16, 1_000_000],
  disk: [MB, 1_000_000 * GB],
  inodes: [1000, 1_000_000_000],
  wall: [SECOND, 7 * DAY],
  output: [1000, 10 * GB],
}

const SIZES: readonly (keyof Limits)[] = ['memory', 'disk', 'output']

export function fillLimits(limits: PolicyLimits): Limits {
  return {
    cpus: limits.cpus ?? DEFAULT_LIMITS.cpus,
    memory: limits.memory ?? DEFAULT_LIMITS.memory,
    pids: limits.pids ?? DEFAULT_LIMITS.pids,
    disk: limits.disk ?? DEFAULT_LIMITS.disk,
    inodes: limits.inodes ?? DEFAULT_LIMITS.inodes,
    wall: limits.wall ?? DEFAULT_LIMITS.wall,
    output: limits.output ?? DEFAULT_LIMITS.output,
  }
}

/** A limit as people write it, `2GB` or `30m`. */
export function limitText(name: keyof Limits, value: number): string {
  if (name === 'wall') return durationText(value)
  return SIZES.includes(name) ? sizeText(value) : String(value)
}

export function sizeText(bytes: number): string {
  const units: [number, string][] = [
    [GB, 'GB'],
    [1024 ** 3, 'GiB'],
    [MB, 'MB'],
    [1024 ** 2, 'MiB'],
    [1000, 'KB'],
    [1024, 'KiB'],
  ]
  const exact = units.find(([size]) => bytes % size === 0)
  return exact === undefined ? `${bytes}B` : `${bytes / exact[0]}${exact[1]}`
}

function durationText(ms: number): string {
  if (ms % (60 * MINUTE) === 0) return `${ms / (60 * MINUTE)}h`
  if (ms % MINUTE === 0) return `${ms / MINUTE}m`
  return ms % SECOND === 0 ? `${ms / SECOND}s` : `${ms}ms`
}
