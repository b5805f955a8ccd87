import { expect, test } from 'vitest'
import { containerSpec } from './container-spec.ts'
import { readFacts } from './engine-facts.ts'
import { type ProbeFiles, readInside } from './inside-facts.ts'
import { InspectFacts } from './inspect-facts.ts'
import { requireEnforced, writeReceipt } from './receipt.ts'
import { testImage, testProbe, testRequest } from '../../test/helpers/sandbox-request.ts'

interface Shown {
  /** Changes of what the engine shows. */
  host?: Record<string, unknown>
  inspect?: Record<string, unknown>
  /** Changes of one file inside: its path, what to look for, what to put there. */
  files?: [path: string, from: string | RegExp, to: string][]
  without?: string[]
  request?: Parameters<typeof testRequest>[0]
}

function receiptOf(shown: Shown, acceptDegraded = false) {
  const request = testRequest(shown.request ?? {})
  const spec = containerSpec(request)
  const probe = new Map(testProbe)
  for (const [path, from, to] of shown.files ?? []) {
    const before = probe.get(path) ?? ''
    const after = before.replace(from, to)
    // A change that changes nothing would prove nothing.
    expect(after).not.toBe(before)
    probe.set(path, after)
  }
  for (const path of shown.without ?? []) expect(probe.delete(path)).toBe(true)
  const inspect = InspectFacts.parse({ ...inspectOf(request, shown.host ?? {}), ...shown.inspect })
  const inside = readInside(probe satisfies ProbeFiles)
  return writeReceipt(
    { request, spec, inspect, inside, engine: engine() },
    { confinement: 'c'.repeat(64), acceptDegraded },
  )
}

function inspectOf(request: ReturnType<typeof testRequest>, host: Record<string, unknown>) {
  const spec = containerSpec(request)
  return {
    Id: 'i',
    Image: testImage.id,
    State: { Running: true, OOMKilled: false, ExitCode: 0 },
    Config: { User: spec.User, Entrypoint: spec.Entrypoint, Healthcheck: spec.Healthcheck },
    HostConfig: { ...spec.HostConfig, ...host },
    Mounts: (spec.HostConfig.Mounts ?? []).map(({ Type, Source, Target, ReadOnly }) => ({
      Type,
      Name: Type === 'volume' ? Source : '',
      Source: Type === 'volume' ? '/elsewhere' : Source,
      Destination: Target,
      RW: ReadOnly !== true,
    })),
  }
}

function engine() {
  const about = {
    version: '20.10.24',
    apiVersion: '1.41',
    rootless: false,
    cgroupVersion: 1,
    securityOptions: ['name=seccomp,profile=default'],
  } as const
  return readFacts(about, { SwapLimit: true, Runtimes: { runc: {} }, DefaultRuntime: 'runc' })
}

const missing = (shown: Shown) =>
  receiptOf(shown)
    .items.filter(({ status }) => status === 'missing')
    .map(({ guarantee }) => guarantee)

test('writeReceipt() finds everything enforced where everything is', () => {
  expect(missing({})).toEqual([])
  expect(receiptOf({})).toMatchObject({ complete: true, degraded: false })
})

test('writeReceipt() calls soft what only the orchestrator watches', () => {
  const soft = receiptOf({}).items.filter(({ status }) => status === 'soft')
  expect(soft.map(({ guarantee }) => guarantee).sort()).toEqual([
    'disk',
    'inodes',
    'rootfs_flags',
    'workspace_flags',
  ])
})

const STATUS = '/proc/self/status'
const MOUNTS = '/proc/self/mountinfo'
const LIMITS = '/proc/self/limits'
const GROUP = '/sys/fs/cgroup'

const taken: [guarantee: string, how: string, shown: Shown][] = [
  ['user', 'runs as root', { files: [[STATUS, /Uid:.*/, 'Uid:\t0\t0\t0\t0']] }],
  ['user', 'has a saved uid', { files: [[STATUS, /Uid:.*/, 'Uid:\t200001\t200001\t0\t200001']] }],
  ['user', 'is in the group of the engine', { files: [[STATUS, /Groups:.*/, 'Groups:\t999']] }],
  [
    'capabilities',
    'has one in its bounding set',
    { files: [[STATUS, /CapBnd:.*/, 'CapBnd:\t0000000000002000']] },
  ],
  [
    'capabilities',
    'has one in effect',
    { files: [[STATUS, /CapEff:.*/, 'CapEff:\t0000000000000001']] },
  ],
  ['capabilities', 'does not show them', { files: [[STATUS, /Cap...:.*\n/g, '']] }],
  ['privileged', 'is privileged', { host: { Privileged: true } }],
  ['privileged', 'got one added', { host: { CapAdd: ['NET_RAW'] } }],
  [
    'no_new_privileges',
    'may gain privileges',
    { files: [[STATUS, 'NoNewPrivs:\t1', 'NoNewPrivs:\t0']] },
  ],
  ['seccomp', 'has no filter', { files: [[STATUS, 'Seccomp:\t2', 'Seccomp:\t0']] }],
  ['seccomp', 'does not show it', { files: [[STATUS, /Seccomp:.*/, '']] }],
  [
    'seccomp_profile',
    'has the default profile',
    { host: { SecurityOpt: ['no-new-privileges:true'] } },
  ],
  ['image', 'comes from another image', { inspect: { Image: 'sha256:other' } }],
  ['runtime', 'runs under another runtime', { host: { Runtime: 'crun' } }],
  ['namespaces', 'shares ipc', { host: { IpcMode: 'host' } }],
  ['namespaces', 'shares shareable ipc', { host: { IpcMode: 'shareable' } }],
  ['namespaces', 'shares pids', { host: { PidMode: 'host' } }],
  ['namespaces', 'shares the host name', { host: { UTSMode: 'host' } }],
  ['namespaces', 'shares users', { host: { UsernsMode: 'host' } }],
  ['namespaces', 'shares control groups', { host: { CgroupnsMode: 'host' } }],
  ['devices', 'has a device', { host: { Devices: [{ PathOnHost: '/dev/kvm' }] } }],
  ['devices', 'has a GPU', { host: { DeviceRequests: [{ Driver: 'nvidia' }] } }],
  ['devices', 'may use more', { host: { DeviceCgroupRules: ['a *:* rwm'] } }],
  ['log', 'is logged', { host: { LogConfig: { Type: 'json-file' } } }],
  ['log', 'may be logged', { host: { LogConfig: { Type: null } } }],
  ['restart', 'comes back', { host: { RestartPolicy: { Name: 'always' } } }],
  ['resolver', 'knows a resolver', { host: { Dns: ['10.0.0.2'] } }],
  ['resolver', 'knows the resolver of the host', { host: { Dns: null } }],
  [
    'healthcheck',
    'is looked after',
    {
      inspect: {
        Config: {
          User: '',
          Entrypoint: ['/.openexec/supervisor'],
          Healthcheck: { Test: ['CMD', 'x'] },
        },
      },
    },
  ],
  ['masked_paths', 'sees the keys', { host: { MaskedPaths: ['/proc/kcore'] } }],
  ['readonly_paths', 'writes to /proc/sys', { host: { ReadonlyPaths: null } }],
  ['network', 'is on the bridge', { host: { NetworkMode: 'default' } }],
  ['interfaces', 'has an interface', { files: [['/proc/net/dev', /$/, '  eth0: 1 0 0\n']] }],
  ['interfaces', 'does not show them', { without: ['/proc/net/dev'] }],
  ['routes', 'has a route', { files: [['/proc/net/route', /$/, 'eth0\t00000000\t010011AC\n']] }],
  ['rootfs', 'has a writable root', { files: [[MOUNTS, '/ / ro,', '/ / rw,']] }],
  [
    'mount /workspace',
    'writes where it should read',
    { request: { mounts: [{ source: '/s', target: '/workspace', readOnly: true }] } },
  ],
  ['mount /workspace', 'has no workspace', { files: [[MOUNTS, /.* \/workspace .*\n/, '']] }],
  [
    'supervisor',
    'may change the supervisor',
    { files: [[MOUNTS, '/.openexec ro,', '/.openexec rw,']] },
  ],
  [
    'supervisor',
    'starts something else',
    { inspect: { Config: { User: '', Entrypoint: ['/bin/sh'] } } },
  ],
  [
    'mount_sources',
    'has the socket of the engine',
    {
      inspect: {
        Mounts: [{ Type: 'bind', Source: '/var/run/docker.sock', Destination: '/x', RW: true }],
      },
    },
  ],
  ['mount_sources', 'takes volumes of others', { host: { VolumesFrom: ['other'] } }],
  [
    'mounts',
    'has one more inside',
    { files: [[MOUNTS, /$/, '99 1 0:9 / /host rw - ext4 /dev/vda rw\n']] },
  ],
  ['mounts', 'does not show them', { without: [MOUNTS] }],
  [
    'tmpfs /tmp',
    'may be larger',
    { files: [[MOUNTS, 'size=1024k,nr_inodes=100', 'size=99999k,nr_inodes=100']] },
  ],
  ['tmpfs /tmp', 'has inodes without end', { files: [[MOUNTS, ',nr_inodes=100', '']] }],
  ['tmpfs /tmp', 'honours set-id bits', { files: [[MOUNTS, '/tmp rw,nosuid,', '/tmp rw,']] }],
  [
    'tmpfs /home/agent',
    'may run programs there',
    { files: [[MOUNTS, 'nodev,noexec,relatime - tmpfs home', 'nodev,relatime - tmpfs home']] },
  ],
  ['tmpfs /dev/shm', 'has no size', { files: [[MOUNTS, ',size=64k', '']] }],
  [
    'memory',
    'has no limit',
    { files: [[`${GROUP}/memory/memory.limit_in_bytes`, /.*/, '9223372036854771712']] },
  ],
  ['memory', 'does not show it', { without: [`${GROUP}/memory/memory.limit_in_bytes`] }],
  [
    'swap',
    'may swap',
    { files: [[`${GROUP}/memory/memory.memsw.limit_in_bytes`, /.*/, '999999999999']] },
  ],
  ['pids', 'has no limit', { files: [[`${GROUP}/pids/pids.max`, /.*/, 'max']] }],
  ['cpus', 'has no limit', { files: [[`${GROUP}/cpu/cpu.cfs_quota_us`, /.*/, '-1']] }],
  [
    'ulimit_nofile',
    'may open more',
    { files: [[LIMITS, /Max open files .*/, 'Max open files  4096  1048576  files']] },
  ],
  [
    'ulimit_core',
    'may dump core',
    { files: [[LIMITS, /Max core file size .*/, 'Max core file size  0  unlimited  bytes']] },
  ],
]

test.each(taken)('writeReceipt() misses %s when the sandbox %s', (guarantee, _how, shown) => {
  expect(missing(shown)).toContain(guarantee)
})

test.each(taken)(
  'requireEnforced() refuses and names %s when the sandbox %s',
  (guarantee, _how, shown) => {
    expect(() => requireEnforced(receiptOf(shown))).toThrow(guarantee)
    try {
      requireEnforced(receiptOf(shown))
    } catch (error) {
      expect(error).toMatchObject({ code: 'confinement_weaker' })
    }
  },
)

test('requireEnforced() lets a weaker sandbox pass only when that was accepted, and stamps it', () => {
  const shown = { host: { Privileged: true } }
  const receipt = receiptOf(shown, true)
  expect(receipt).toMatchObject({ complete: false, degraded: true })
  expect(() => requireEnforced(receipt)).not.toThrow()
  expect(receiptOf({}, true).degraded).toBe(false)
})

test('writeReceipt() takes dormant tunnel interfaces for what they are', () => {
  const files: Shown['files'] = [['/proc/net/dev', /$/, ' tunl0: 0 0\n  sit0: 0 0\n']]
  expect(missing({ files })).toEqual([])
})

test('writeReceipt() accepts a lower limit of open files than asked', () => {
  const files: Shown['files'] = [[LIMITS, /Max open files .*/, 'Max open files  1024  1024  files']]
  expect(missing({ files })).toEqual([])
})

test('writeReceipt() calls swap soft where the kernel does not account it', () => {
  const { items } = receiptOf({ without: [`${GROUP}/memory/memory.memsw.limit_in_bytes`] })
  expect(items.find(({ guarantee }) => guarantee === 'swap')?.status).toBe('soft')
})

/** What gVisor shows instead of what the kernel of the host shows. */
const ofGvisor: Shown = {
  request: {
    runtime: 'runsc',
    confinement: { ...testRequest({}).confinement, isolation: 'gvisor' },
  },
  files: [
    [STATUS, 'NoNewPrivs:\t1\n', ''],
    [STATUS, 'Seccomp:\t2', 'Seccomp:\t0'],
    [MOUNTS, '/.openexec ro,relatime - ext4', '/.openexec ro - 9p'],
    [MOUNTS, '/tmp rw,nosuid,nodev,relatime', '/tmp rw'],
    [MOUNTS, ',nr_inodes=100', ''],
    [MOUNTS, '/home/agent rw,nosuid,nodev,noexec,relatime', '/home/agent rw,noexec'],
    [MOUNTS, ',nr_inodes=200', ''],
    [`${GROUP}/memory/memory.limit_in_bytes`, /.*/, '9223372036854771712'],
    [`${GROUP}/pids/pids.max`, /.*/, 'max'],
    [`${GROUP}/cpu/cpu.cfs_quota_us`, /.*/, '-1'],
  ],
  without: [`${GROUP}/memory/memory.memsw.limit_in_bytes`],
}
const softOf = (shown: Shown) =>
  receiptOf(shown)
    .items.filter(({ status }) => status === 'soft')
    .map(({ guarantee }) => guarantee)

test('writeReceipt() knows what gVisor does not show, and calls it soft', () => {
  expect(missing(ofGvisor)).toEqual([])
  expect(softOf(ofGvisor)).toEqual(
    expect.arrayContaining([
      'no_new_privileges',
      'seccomp',
      'supervisor_privacy',
      'tmpfs /tmp',
      'tmpfs /home/agent',
      'disk',
    ]),
  )
  const { items } = receiptOf(ofGvisor)
  expect(items.find(({ guarantee }) => guarantee === 'memory')).toMatchObject({
    source: 'inspect',
    status: 'enforced',
  })
})

test('writeReceipt() calls the system call list enforced under gVisor where it is', () => {
  const files: Shown['files'] = [...(ofGvisor.files ?? []), [STATUS, 'Seccomp:\t0', 'Seccomp:\t2']]
  expect(softOf({ ...ofGvisor, files })).not.toContain('seccomp')
})

test.each<[string, string, Shown]>([
  ['kernel', 'is the kernel of the host', { files: [[MOUNTS, 'ro - 9p', 'ro - ext4']] }],
  ['runtime', 'runs under runc', { host: { Runtime: 'runc' } }],
  ['no_new_privileges', 'was told nothing of them', { host: { SecurityOpt: [] } }],
  ['memory', 'has no limit', { host: { Memory: 0 } }],
  ['pids', 'has no limit', { host: { PidsLimit: null } }],
  ['cpus', 'has no limit', { host: { NanoCpus: 0 } }],
  ['tmpfs /tmp', 'has no size', { files: [[MOUNTS, 'rw,size=1024k', 'rw']] }],
  [
    'tmpfs /home/agent',
    'runs programs',
    { files: [[MOUNTS, 'rw,noexec - tmpfs home', 'rw - tmpfs home']] },
  ],
])('writeReceipt() misses %s under gVisor when the sandbox %s', (guarantee, _how, shown) => {
  const files = [...(ofGvisor.files ?? []), ...(shown.files ?? [])]
  expect(missing({ ...ofGvisor, ...shown, files })).toContain(guarantee)
})
