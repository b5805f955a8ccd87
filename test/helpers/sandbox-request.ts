/** What the tests of the container specification and of the receipt start from. */
import type { Confinement } from '../../src/schema/index.ts'
import type { ContainerSpecOptions } from '../../src/sandbox/container-spec.ts'
import type { ResolvedImage } from '../../src/sandbox/images.ts'
import type { ProbeFiles } from '../../src/sandbox/inside-facts.ts'

export const testImage: ResolvedImage = {
  id: `sha256:${'a'.repeat(64)}`,
  name: 'openexec/base:latest',
  digest: `sha256:${'a'.repeat(64)}`,
  architecture: 'amd64',
  config: {
    env: ['PATH=/bin'],
    volumes: [],
    user: '',
    entrypoint: ['/bin/bash'],
    cmd: ['-l'],
    workingDir: '/',
    hasHealthcheck: true,
    labels: {},
  },
}

const confinement: Confinement = {
  version: 1,
  mode: 'workspace_write',
  isolation: 'container',
  workspace: 'read_write',
  git: 'read_only',
  rootfs: 'read_only',
  network: 'none',
  capabilities: [],
  noNewPrivileges: true,
  seccomp: { name: 'strict', digest: 'b'.repeat(64), profile: '{"defaultAction":"x"}' },
  limits: {
    cpus: 2,
    memory: 1024 ** 3,
    pids: 256,
    disk: 1e9,
    inodes: 1000,
    wall: 60_000,
    output: 1e6,
  },
  ulimits: [
    { name: 'nofile', soft: 4096, hard: 8192 },
    { name: 'core', soft: 0, hard: 0 },
  ],
  tmpfs: [
    { target: '/tmp', size: 1024 ** 2, inodes: 100, mode: '1777', exec: true, owned: false },
    {
      target: '/home/agent',
      size: 2 * 1024 ** 2,
      inodes: 200,
      mode: '700',
      exec: false,
      owned: true,
    },
  ],
  shm: 65_536,
  maskedPaths: ['/proc/kcore', '/proc/keys'],
  readonlyPaths: ['/proc/sys'],
  sysctls: {},
  cpuShares: 512,
  oomScoreAdj: 500,
  env: { HOME: '/home/agent', PATH: '/usr/bin' },
}

export function testRequest(change: Partial<ContainerSpecOptions>): ContainerSpecOptions {
  return {
    confinement,
    image: testImage,
    user: { uid: 200_001, gid: 200_002 },
    mounts: [{ source: '/state/run/tree', target: '/workspace', readOnly: false }],
    slotFiles: { passwd: '/state/run/passwd', group: '/state/run/group' },
    supervisorVolume: 'openexec-supervisor-1',
    labels: { 'openexec.run': 'run_1' },
    runtime: 'runc',
    security: { seccomp: true, apparmor: false },
    clamps: { inheritNofile: false, oomScoreAdjMax: false },
    ...change,
  }
}

/** What a sandbox made from `testRequest({})` shows on an engine that does all it is told. */
export const testProbe: ProbeFiles = new Map([
  [
    '/proc/self/status',
    [
      'Name:\tsupervisor',
      'Uid:\t200001\t200001\t200001\t200001',
      'Gid:\t200002\t200002\t200002\t200002',
      'Groups:\t200002 ',
      'CapInh:\t0000000000000000',
      'CapPrm:\t0000000000000000',
      'CapEff:\t0000000000000000',
      'CapBnd:\t0000000000000000',
      'CapAmb:\t0000000000000000',
      'NoNewPrivs:\t1',
      'Seccomp:\t2',
      'Seccomp_filters:\t1',
      '',
    ].join('\n'),
  ],
  [
    '/proc/self/limits',
    [
      'Limit                     Soft Limit           Hard Limit           Units     ',
      'Max core file size        0                    0                    bytes     ',
      'Max open files            4096                 8192                 files     ',
      'Max processes             unlimited            unlimited            processes ',
      '',
    ].join('\n'),
  ],
  [
    '/proc/self/mountinfo',
    [
      '1 0 0:1 / / ro,relatime - overlay overlay rw,lowerdir=a',
      '2 1 0:2 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw',
      '3 1 0:3 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755',
      '4 3 0:4 / /dev/shm rw,nosuid,nodev,noexec,relatime - tmpfs shm rw,size=64k',
      '5 1 0:5 / /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs ro',
      '6 1 0:6 / /tmp rw,nosuid,nodev,relatime - tmpfs tmpfs rw,size=1024k,nr_inodes=100',
      '7 1 0:7 / /home/agent rw,nosuid,nodev,noexec,relatime - tmpfs home rw,size=2048k,nr_inodes=200,mode=700',
      '8 1 8:1 /tree /workspace rw,relatime - ext4 /dev/vda rw',
      '9 1 8:1 /v /.openexec ro,relatime - ext4 /dev/vda rw',
      '10 1 8:1 /p /etc/passwd ro,relatime - ext4 /dev/vda rw',
      '11 1 8:1 /g /etc/group ro,relatime - ext4 /dev/vda rw',
      '12 1 8:1 /r /etc/resolv.conf ro,relatime - ext4 /dev/vda rw',
      '',
    ].join('\n'),
  ],
  ['/proc/net/dev', 'Inter-|\n face |\n    lo:  0 0 0\n'],
  ['/proc/net/route', 'Iface\tDestination\n'],
  ['/sys/fs/cgroup/memory/memory.limit_in_bytes', '1073741824\n'],
  ['/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes', '1073741824\n'],
  ['/sys/fs/cgroup/pids/pids.max', '256\n'],
  ['/sys/fs/cgroup/cpu/cpu.cfs_quota_us', '200000\n'],
  ['/sys/fs/cgroup/cpu/cpu.cfs_period_us', '100000\n'],
])
