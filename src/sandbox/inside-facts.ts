/**
 * What the kernel says of the sandbox from inside, read from the raw files the supervisor's probe
 * hands out. The supervisor is ours and runs before any task code, so the files are believed, but
 * nothing is assumed of their form: what cannot be read is `undefined` and counts as missing.
 */

/** Path inside the sandbox → its text; a path is absent when the file is. */
export type ProbeFiles = ReadonlyMap<string, string>

export interface InsideMount {
  target: string
  type: string
  /** Options of the mount and of its file system. */
  options: ReadonlySet<string>
}

export interface InsideFacts {
  uids: readonly number[]
  gids: readonly number[]
  groups: readonly number[]
  /** Hex masks by the kernel's names: `CapBnd`, `CapEff`, … */
  capabilities: Readonly<Record<string, string>>
  noNewPrivileges: boolean
  /** 2 is a filter. */
  seccomp: number | undefined
  interfaces: readonly string[] | undefined
  routes: number | undefined
  /** In the order of mounting; a later one hides an earlier one on the same target. */
  mounts: readonly InsideMount[]
  /** Bytes; `Infinity` is no limit. */
  memory: number | undefined
  /** Bytes of memory and swap together. */
  memoryAndSwap: number | undefined
  pids: number | undefined
  cpus: number | undefined
  /** By the kernel's names: `Max open files`. */
  ulimits: ReadonlyMap<string, { soft: number; hard: number }>
}

const CAPABILITY_SETS = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']
const V1 = '/sys/fs/cgroup'

export function readInside(files: ProbeFiles): InsideFacts {
  const status = fields(files.get('/proc/self/status') ?? '')
  const seccomp = status.get('Seccomp')
  return {
    uids: numbers(status.get('Uid')),
    gids: numbers(status.get('Gid')),
    groups: numbers(status.get('Groups')),
    capabilities: Object.fromEntries(
      CAPABILITY_SETS.flatMap((name) => {
        const mask = status.get(name)
        return mask === undefined ? [] : [[name, mask]]
      }),
    ),
    noNewPrivileges: status.get('NoNewPrivs') === '1',
    seccomp: seccomp === undefined ? undefined : Number(seccomp),
    interfaces: interfaces(files.get('/proc/net/dev')),
    routes: routes(files.get('/proc/net/route')),
    mounts: mounts(files.get('/proc/self/mountinfo') ?? ''),
    memory: limit(files, '/sys/fs/cgroup/memory.max', `${V1}/memory/memory.limit_in_bytes`),
    memoryAndSwap: memoryAndSwap(files),
    pids: limit(files, '/sys/fs/cgroup/pids.max', `${V1}/pids/pids.max`),
    cpus: cpus(files),
    ulimits: ulimits(files.get('/proc/self/limits') ?? ''),
  }
}

function fields(text: string): Map<string, string> {
  return new Map(
    text.split('\n').flatMap((line): [string, string][] => {
      const colon = line.indexOf(':')
      return colon === -1 ? [] : [[line.slice(0, colon), line.slice(colon + 1).trim()]]
    }),
  )
}

function numbers(text: string | undefined): number[] {
  return (text ?? '').split(/\s+/).filter(Boolean).map(Number)
}

function interfaces(text: string | undefined): string[] | undefined {
  return text
    ?.split('\n')
    .slice(2)
    .flatMap((line) => (line.includes(':') ? [line.slice(0, line.indexOf(':')).trim()] : []))
}

function routes(text: string | undefined): number | undefined {
  return text
    ?.split('\n')
    .slice(1)
    .filter((line) => line.trim() !== '').length
}

/** `36 35 98:0 /root /target rw,nosuid shared:1 - ext4 /dev/sda1 rw,errors=continue` */
function mounts(text: string): InsideMount[] {
  return text.split('\n').flatMap((line) => {
    const [left = '', right = ''] = line.split(' - ')
    const [, , , , target, own] = left.split(' ')
    const [type, , ofFileSystem = ''] = right.split(' ')
    if (target === undefined || own === undefined || type === undefined || type === '') return []
    const options = new Set([...ofFileSystem.split(',').filter(notOfMount), ...own.split(',')])
    return [{ target: unescape(target), type, options }]
  })
}

/** A file system may be writable while this mount of it is not, and the other way round. */
function notOfMount(option: string): boolean {
  return option !== 'rw'
}

/** The kernel writes space, tab, newline and backslash as octal numbers. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(parseInt(octal, 8)),
  )
}

function limit(files: ProbeFiles, v2: string, v1: string): number | undefined {
  return count(files.get(v2) ?? files.get(v1))
}

/** Version 1 says "no limit" with the largest page-aligned number there is. */
function count(text: string | undefined): number | undefined {
  if (text === undefined || text.trim() === '') return undefined
  if (text.trim() === 'max') return Infinity
  const value = Number(text.trim())
  if (Number.isNaN(value)) return undefined
  return value < 0 || value > Number.MAX_SAFE_INTEGER ? Infinity : value
}

function memoryAndSwap(files: ProbeFiles): number | undefined {
  const memory = count(files.get('/sys/fs/cgroup/memory.max'))
  const swap = count(files.get('/sys/fs/cgroup/memory.swap.max'))
  if (memory !== undefined && swap !== undefined) return memory + swap
  return count(files.get(`${V1}/memory/memory.memsw.limit_in_bytes`))
}

function cpus(files: ProbeFiles): number | undefined {
  const [quota, period] = (files.get('/sys/fs/cgroup/cpu.max') ?? '').trim().split(' ')
  const share = (given: string | undefined, of: string | undefined) => {
    const [a, b] = [count(given), count(of)]
    return a === undefined || b === undefined ? undefined : a / b
  }
  return (
    share(quota, period) ??
    share(
      files.get(`${V1}/cpu/cpu.cfs_quota_us`) ?? files.get(`${V1}/cpu,cpuacct/cpu.cfs_quota_us`),
      files.get(`${V1}/cpu/cpu.cfs_period_us`) ?? files.get(`${V1}/cpu,cpuacct/cpu.cfs_period_us`),
    )
  )
}

function ulimits(text: string): Map<string, { soft: number; hard: number }> {
  const value = (word: string) => (word === 'unlimited' ? Infinity : Number(word))
  return new Map(
    text.split('\n').flatMap((line): [string, { soft: number; hard: number }][] => {
      const match = /^(Max [a-z ]+?)\s+(\d+|unlimited)\s+(\d+|unlimited)/.exec(line)
      const [, name = '', soft = '', hard = ''] = match ?? []
      return match === null ? [] : [[name, { soft: value(soft), hard: value(hard) }]]
    }),
  )
}
