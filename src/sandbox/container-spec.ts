/**
 * From a confinement to what the engine is told. Pure, and the only place that spells an engine
 * setting: every field that matters is set, also where the engine's default is the wanted value,
 * because defaults differ between engines and with their configuration.
 */
import type Docker from 'dockerode'
import type { Confinement } from '../schema/index.ts'
import { engineEnv, sandboxEnv } from './container-env.ts'
import { coverVolumes } from './cover-volumes.ts'
import type { ResolvedImage } from './images.ts'
import type { SandboxMount } from './mount-check.ts'
import type { SandboxUser, SlotFiles } from './slot-files.ts'

export const SUPERVISOR_DIRECTORY = '/.openexec'
/** Nobody listens there. */
export const NO_RESOLVER = '127.0.0.1'

/** What an engine refuses although it only makes a sandbox tighter; each is said in the receipt. */
export interface EngineClamps {
  /** The engine may not raise the hard limit of open files: its own, lower one holds. */
  inheritNofile: boolean
  /** The engine may not lower its own out-of-memory score: the highest is always allowed. */
  oomScoreAdjMax: boolean
}

export interface ContainerSpecOptions {
  confinement: Confinement
  image: ResolvedImage
  user: SandboxUser
  /** Checked by `checkMounts()`. */
  mounts: readonly SandboxMount[]
  slotFiles: SlotFiles
  supervisorVolume: string
  labels: Readonly<Record<string, string>>
  /** Name of the engine's runtime, `runc` or `runsc`. */
  runtime: string
  /** Whether the engine can confine with seccomp and AppArmor. */
  security: { seccomp: boolean; apparmor: boolean }
  clamps: EngineClamps
}

export type ContainerSpec = Docker.ContainerCreateOptions & {
  HostConfig: Docker.HostConfig & { CgroupnsMode: string }
}

export function containerSpec(options: ContainerSpecOptions): ContainerSpec {
  const { confinement, image, user } = options
  const env = sandboxEnv(image.config.env, confinement.env)
  return {
    Image: image.id,
    Entrypoint: [`${SUPERVISOR_DIRECTORY}/supervisor`],
    Cmd: [],
    User: `${user.uid}:${user.gid}`,
    WorkingDir: '/workspace',
    Hostname: 'sandbox',
    Domainname: '',
    Env: engineEnv(image.config.env, env),
    Healthcheck: { Test: ['NONE'] },
    Tty: false,
    OpenStdin: true,
    // A client that goes away must not close the supervisor's input: the next one goes on.
    StdinOnce: false,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    StopSignal: 'SIGTERM',
    StopTimeout: 5,
    Labels: { ...options.labels },
    NetworkDisabled: false,
    HostConfig: {
      ...isolation(options),
      ...resources(options),
      ...files(options),
      ...nothingElse(),
    },
  }
}

function isolation({ confinement, security, runtime }: ContainerSpecOptions) {
  return {
    NetworkMode: confinement.network,
    // Else the engine copies the host's resolver into the sandbox even without a network.
    Dns: [NO_RESOLVER],
    DnsSearch: ['.'],
    DnsOptions: [],
    CapDrop: ['ALL'],
    CapAdd: [...confinement.capabilities],
    Privileged: false,
    SecurityOpt: [
      `no-new-privileges:${confinement.noNewPrivileges}`,
      ...(security.seccomp ? [`seccomp=${confinement.seccomp.profile}`] : []),
      ...(security.apparmor ? ['apparmor=docker-default'] : []),
    ],
    IpcMode: 'private',
    PidMode: '',
    UTSMode: '',
    CgroupnsMode: 'private',
    // Empty keeps an engine's user namespaces on; `host` would switch them off.
    UsernsMode: '',
    MaskedPaths: [...confinement.maskedPaths],
    ReadonlyPaths: [...confinement.readonlyPaths],
    Sysctls: { ...confinement.sysctls },
    Runtime: runtime,
  }
}

function resources({ confinement, clamps }: ContainerSpecOptions) {
  const { limits } = confinement
  return {
    Memory: limits.memory,
    // Equal to the memory: no swap at all.
    MemorySwap: limits.memory,
    MemoryReservation: 0,
    OomKillDisable: false,
    OomScoreAdj: clamps.oomScoreAdjMax ? 1000 : confinement.oomScoreAdj,
    NanoCpus: Math.round(limits.cpus * 1e9),
    CpuShares: confinement.cpuShares,
    PidsLimit: limits.pids,
    Ulimits: confinement.ulimits
      .filter(({ name }) => !(clamps.inheritNofile && name === 'nofile'))
      .map(({ name, soft, hard }) => ({ Name: name, Soft: soft, Hard: hard })),
  }
}

function files(options: ContainerSpecOptions) {
  const { confinement, slotFiles } = options
  const mounts = options.mounts.map(bind)
  const users = [
    bind({ source: slotFiles.passwd, target: '/etc/passwd', readOnly: true }),
    bind({ source: slotFiles.group, target: '/etc/group', readOnly: true }),
  ]
  const tmpfs = tmpfsOptions(options)
  const taken = [...mounts, ...users].map(({ Target }) => Target)
  return {
    ReadonlyRootfs: confinement.rootfs === 'read_only',
    // Never `Binds`: it creates a missing source as root instead of failing.
    Binds: [],
    Mounts: [...mounts, ...users, supervisorMount(options.supervisorVolume)],
    Tmpfs: { ...coverVolumes(options.image, [...taken, ...Object.keys(tmpfs)]), ...tmpfs },
    ShmSize: confinement.shm,
  }
}

// In constants of their own because the client library's types do not know all of their fields.
// What the host mounts below the source, then or later, stays out.
const BIND_OPTIONS = { Propagation: 'rprivate', NonRecursive: true } as const
const SUPERVISOR_OPTIONS = {
  Type: 'volume',
  Target: SUPERVISOR_DIRECTORY,
  ReadOnly: true,
  // Without NoCopy an image could put files of its own into the volume all sandboxes share.
  VolumeOptions: { NoCopy: true, Labels: {}, DriverConfig: { Name: 'local', Options: {} } },
} as const

function bind({ source, target, readOnly }: SandboxMount): Docker.MountSettings {
  return {
    Type: 'bind',
    Source: source,
    Target: target,
    ReadOnly: readOnly,
    BindOptions: BIND_OPTIONS,
  }
}

function supervisorMount(volume: string): Docker.MountSettings {
  return { ...SUPERVISOR_OPTIONS, Source: volume }
}

function tmpfsOptions({ confinement, user }: ContainerSpecOptions): Record<string, string> {
  return Object.fromEntries(
    confinement.tmpfs.map((mount) => [
      mount.target,
      [
        'rw',
        'nosuid',
        'nodev',
        mount.exec ? 'exec' : 'noexec',
        `size=${mount.size}`,
        `nr_inodes=${mount.inodes}`,
        `mode=${mount.mode}`,
        ...(mount.owned ? [`uid=${user.uid}`, `gid=${user.gid}`] : []),
      ].join(','),
    ]),
  )
}

/** What no sandbox ever has. */
function nothingElse() {
  return {
    // Grows without bound otherwise; the pipe is the only reader, and it spools.
    LogConfig: { Type: 'none', Config: {} },
    // The supervisor is PID 1 and reaps.
    Init: false,
    // The reaper removes: after a crash the exit code and the memory flag are still wanted.
    AutoRemove: false,
    RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
    PublishAllPorts: false,
    PortBindings: {},
    Devices: [],
    DeviceRequests: [],
    DeviceCgroupRules: [],
    VolumesFrom: [],
    Links: [],
    ExtraHosts: [],
    GroupAdd: [],
    CgroupParent: '',
  }
}
