/**
 * Names the process that answers for a sandbox so that another process can tell, also after a
 * reboot and after the pid was used again, whether it still lives. Only a process of the same
 * machine and pid namespace can tell; to all others the owner is unknown.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

export type OwnerState = 'alive' | 'dead' | 'unknown'

/** Processes that are known to be gone though this one could not tell. */
const gone = new Set<string>()

/**
 * For who holds what only one living process can hold: its former holder is dead, wherever it lived.
 * So a server in a container knows what the one before it left, which had pids of its own.
 */
export function declareDead(owner: string): void {
  gone.add(owner)
}

const OWNER = /^([1-9]\d{0,9}):([^@:]{1,64})@([0-9a-f]{16})$/

/** `<pid>:<start time>@<machine and pid namespace>` of a process, by default this one. */
export function processOwner(pid: number = process.pid): string {
  return `${pid}:${startTime(pid) ?? 'gone'}@${place()}`
}

/** Whether the process an owner text names still runs. */
export function ownerState(owner: string): OwnerState {
  const match = OWNER.exec(owner)
  const [, pid, start, where] = match ?? []
  if (gone.has(owner)) return 'dead'
  if (match === null || where !== place()) return 'unknown'
  return startTime(Number(pid)) === start ? 'alive' : 'dead'
}

/** Start time in the system's own words; a zombie runs nothing any more. */
function startTime(pid: number): string | undefined {
  return process.platform === 'linux' ? startTimeOfProc(pid) : startTimeOfPs(pid)
}

function startTimeOfProc(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The program's name stands in brackets and may itself hold any character.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
  } catch {
    return undefined
  }
}

function startTimeOfPs(pid: number): string | undefined {
  try {
    const text = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      timeout: 5_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const time = Date.parse(text.trim())
    return Number.isNaN(time) ? undefined : String(time)
  } catch {
    return undefined
  }
}

function place(): string {
  const parts = [
    hostname(),
    read(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    read(() => readlinkSync('/proc/self/ns/pid')),
  ]
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 16)
}

function read(source: () => string): string {
  try {
    return source()
  } catch {
    return ''
  }
}
