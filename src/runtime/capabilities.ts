/**
 * The map of what a machine can do, from what was measured: the receipt of a real sandbox, volumes
 * and runtimes that were tried, and only for the rest the engine's own word.
 */
import { statfs } from 'node:fs/promises'
import type { MachineCapability, Receipt } from '../schema/index.ts'
import type { EngineFacts, Probed } from '../sandbox/index.ts'
import { CAPABILITY_WORDS, type CapabilityName } from './capability-words.ts'

/** Below this a few runs fill the disk. */
const DISK_FREE_MIN = 2 * 1024 ** 3

/** Each measured one with its words. What is not known by name is left out. */
export function capabilityMap(
  measured: Readonly<Record<string, Probed>>,
): Record<string, MachineCapability> {
  const names = Object.keys(CAPABILITY_WORDS).filter(isName)
  return Object.fromEntries(
    names.flatMap((name): [string, MachineCapability][] => {
      const found = measured[name]
      if (found === undefined) return []
      const { meaning, remedy } = CAPABILITY_WORDS[name]
      const isMissed = found.has !== 'yes' && remedy !== undefined
      return [[name, { ...found, meaning, ...(isMissed && { remedy }) }]]
    }),
  )
}

function isName(name: string): name is CapabilityName {
  return name in CAPABILITY_WORDS
}

const FROM_RECEIPT: readonly [name: CapabilityName, guarantees: readonly string[]][] = [
  ['memory_limit', ['memory']],
  ['swap_limit', ['swap']],
  ['process_limit', ['pids']],
  ['cpu_limit', ['cpus']],
  ['seccomp', ['seccomp', 'seccomp_profile']],
  ['no_new_privileges', ['no_new_privileges']],
  ['no_network', ['network', 'interfaces', 'routes']],
  ['read_only_root', ['rootfs']],
]

/** Without a receipt nothing is known. */
export function fromReceipt(receipt: Receipt | undefined): Record<string, Probed> {
  return Object.fromEntries(
    FROM_RECEIPT.map(([name, guarantees]): [string, Probed] => {
      const items = (receipt?.items ?? []).filter(({ guarantee }) => guarantees.includes(guarantee))
      if (items.length === 0)
        return [name, { has: 'unknown', evidence: 'no sandbox could be opened' }]
      const told = items.map(
        ({ guarantee, requested, enforced }) =>
          `${guarantee}: asked for ${requested}, found ${enforced}`,
      )
      const has = items.every(({ status }) => status === 'enforced') ? 'yes' : 'no'
      return [name, { has, evidence: `in a sandbox, ${told.join('; ')}` }]
    }),
  )
}

/** What only the engine can tell of itself. */
export function fromFacts(facts: EngineFacts): Record<string, Probed> {
  const told = (has: boolean, evidence: string): Probed => ({ has: has ? 'yes' : 'no', evidence })
  const security = (name: string, has: boolean) =>
    told(has, `the engine ${has ? 'names' : 'does not name'} ${name} among its security options`)
  return {
    cgroup_v2: told(facts.cgroupVersion === 2, `the engine uses version ${facts.cgroupVersion}`),
    apparmor: security('AppArmor', facts.apparmor),
    selinux: security('SELinux', facts.selinux),
    user_namespaces: security('user namespaces', facts.userNamespaces),
    rootless: security('rootless', facts.rootless),
  }
}

export async function diskSpace(folder: string): Promise<Probed> {
  const { bavail, bsize } = await statfs(folder)
  const free = bavail * bsize
  return {
    has: free >= DISK_FREE_MIN ? 'yes' : 'no',
    evidence: `${(free / 1024 ** 3).toFixed(1)} GiB free in ${folder}`,
  }
}

export function privateAuthorities(subjects: readonly string[]): Probed {
  return subjects.length === 0
    ? { has: 'no', evidence: 'none beside the public ones' }
    : { has: 'yes', evidence: subjects.join('; ') }
}
