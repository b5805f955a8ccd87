import type { Confinement } from '../schema/index.ts'
import { sizeText } from './limits.ts'

/** A confinement in the words of a container engine, for people to compare with `inspect`. */
export function engineSettings(confinement: Confinement): { name: string; value: string }[] {
  const { limits, seccomp } = confinement
  const settings: [string, string][] = [
    ['NetworkMode', confinement.network],
    ['CapDrop', 'ALL'],
    ['CapAdd', confinement.capabilities.join(', ') || 'none'],
    ['Privileged', 'false'],
    ['SecurityOpt', `no-new-privileges:${confinement.noNewPrivileges}`],
    ['SecurityOpt', `seccomp=${seccomp.name} (sha256 ${seccomp.digest.slice(0, 12)})`],
    ['User', 'not root'],
    ['ReadonlyRootfs', String(confinement.rootfs === 'read_only')],
    ['Mount /workspace', confinement.workspace === 'read_only' ? 'read-only' : 'read-write'],
    ['Mount /openexec/git', confinement.git === 'private' ? 'read-write, private' : 'read-only'],
    ['Mount /openexec/objects', 'read-only'],
    ...confinement.tmpfs.map(({ target, size, inodes, mode, exec }): [string, string] => [
      `Tmpfs ${target}`,
      `${sizeText(size)}, ${inodes} inodes, mode ${mode}, nosuid, nodev${exec ? '' : ', noexec'}`,
    ]),
    ['ShmSize', sizeText(confinement.shm)],
    ['Memory', `${sizeText(limits.memory)}, no swap`],
    ['NanoCpus', `${limits.cpus} CPUs, ${confinement.cpuShares} shares`],
    ['PidsLimit', String(limits.pids)],
    ...confinement.ulimits.map(({ name, soft, hard }): [string, string] => [
      `Ulimit ${name}`,
      soft === hard ? String(soft) : `${soft} to ${hard}`,
    ]),
    ['OomScoreAdj', String(confinement.oomScoreAdj)],
    ['IpcMode, CgroupnsMode', 'private'],
    ['MaskedPaths', confinement.maskedPaths.join(' ')],
    ['ReadonlyPaths', confinement.readonlyPaths.join(' ')],
    ...Object.entries(confinement.sysctls).map(([name, value]): [string, string] => [
      `Sysctl ${name}`,
      value,
    ]),
    ['Runtime', confinement.isolation === 'gvisor' ? 'runsc' : 'the default of the engine'],
  ]
  return settings.map(([name, value]) => ({ name, value }))
}
