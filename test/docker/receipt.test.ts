/**
 * Each guarantee is taken away in turn behind our back, as a patched or broken engine would, and the
 * sandbox must be refused by the name of what is missing, with nothing left behind.
 */
import { cpus } from 'node:os'
import type Docker from 'dockerode'
import { afterAll, expect } from 'vitest'
import type { Engine } from '../../src/sandbox/connect.ts'
import type { SandboxSpec } from '../../src/sandbox/open.ts'
import { OpenExecError, Receipt } from '../../src/schema/index.ts'
import { dockerTest, expectNoLeftovers, testEngine } from '../helpers/docker.ts'
import { containersOf, run, sandboxBench, testConfinement } from '../helpers/sandbox.ts'

const INSTANCE = 'test-receipt'
expectNoLeftovers(INSTANCE)

// One processor, so that every machine has more to give away.
const confinement = testConfinement('workspace_write', { cpus: 1 })
const signal = new AbortController().signal
const bench = sandboxBench(INSTANCE, async () => testEngine())
afterAll(() => bench.closeAll())

type Host = NonNullable<Docker.ContainerCreateOptions['HostConfig']>

type Top = Docker.ContainerCreateOptions

/** The real engine, but for what it does with some of the settings it is given. */
function lyingEngine(
  change: (host: Host) => Partial<Host>,
  changeTop: (options: Top) => Partial<Top> = () => ({}),
): Engine {
  const real = testEngine()
  const docker: Docker = Object.create(real.docker)
  docker.createContainer = (options: Docker.ContainerCreateOptions) => {
    const host = options.HostConfig ?? {}
    // Helpers that prepare the supervisor's volume are none of the engine's lies.
    const isSandbox = options.name?.startsWith('openexec-sbx') === true
    return real.docker.createContainer({
      ...options,
      ...(isSandbox ? changeTop(options) : {}),
      HostConfig: isSandbox ? { ...host, ...change(host) } : host,
    })
  }
  return { ...real, docker }
}

async function openOn(engine: Engine, change: Partial<SandboxSpec> = {}) {
  const own = sandboxBench(INSTANCE, async () => engine)
  const { spec } = own.slot(confinement)
  try {
    const sandbox = await own.sandboxes.open({ ...spec, ...change }, { signal })
    const ran = await run(sandbox, 'id -u')
    return { receipt: sandbox.receipt, ran }
  } finally {
    await own.closeAll()
  }
}

interface Lie {
  guarantee: string
  how: string
  change(host: Host): Partial<Host>
}

interface TopLie {
  guarantee: string
  how: string
  changeTop(options: Top): Partial<Top>
}

const mounts =
  (change: (mounts: Docker.MountConfig) => Docker.MountConfig) =>
  ({ Mounts = [] }: Host) => ({ Mounts: change(Mounts) })
const mountOn = (target: string, ReadOnly: boolean) =>
  mounts((all) => all.map((one) => (one.Target === target ? { ...one, ReadOnly } : one)))
const noNewPrivileges = 'no-new-privileges:true'

const lies: Lie[] = [
  {
    guarantee: 'seccomp_profile',
    how: 'uses its own profile',
    change: () => ({ SecurityOpt: [noNewPrivileges] }),
  },
  {
    guarantee: 'seccomp (',
    how: 'filters nothing',
    change: () => ({ SecurityOpt: [noNewPrivileges, 'seccomp=unconfined'] }),
  },
  {
    guarantee: 'no_new_privileges',
    how: 'forgets about them',
    change: ({ SecurityOpt = [] }) => ({
      SecurityOpt: [...SecurityOpt].filter((one) => one !== noNewPrivileges),
    }),
  },
  { guarantee: 'capabilities', how: 'drops none', change: () => ({ CapDrop: [] }) },
  { guarantee: 'capabilities', how: 'adds one', change: () => ({ CapAdd: ['NET_RAW'] }) },
  {
    guarantee: 'privileged',
    how: 'gives all there are',
    change: () => ({ Privileged: true, SecurityOpt: [] }),
  },
  { guarantee: 'interfaces', how: 'joins a network', change: () => ({ NetworkMode: 'default' }) },
  { guarantee: 'network (', how: 'joins one', change: () => ({ NetworkMode: 'bridge' }) },
  { guarantee: 'routes', how: 'gives a way out', change: () => ({ NetworkMode: 'bridge' }) },
  { guarantee: 'rootfs', how: 'leaves it writable', change: () => ({ ReadonlyRootfs: false }) },
  { guarantee: 'memory', how: 'sets no limit', change: () => ({ Memory: 0, MemorySwap: 0 }) },
  {
    guarantee: 'swap',
    how: 'lets it swap',
    change: ({ Memory = 0 }) => ({ MemorySwap: Memory * 2 }),
  },
  { guarantee: 'pids', how: 'sets no limit', change: () => ({ PidsLimit: 0 }) },
  { guarantee: 'cpus', how: 'sets no limit', change: () => ({ NanoCpus: 0 }) },
  {
    guarantee: 'ulimit_nofile',
    how: 'sets a higher limit',
    change: () => ({ Ulimits: [{ Name: 'nofile', Soft: 4096, Hard: 16_384 }] }),
  },
  {
    guarantee: 'tmpfs /tmp',
    how: 'sets no size',
    change: ({ Tmpfs = {} }) => ({ Tmpfs: { ...Tmpfs, '/tmp': 'rw,nosuid,nodev' } }),
  },
  {
    guarantee: 'mount_sources',
    how: 'mounts one more',
    change: mounts((all) => [
      ...all,
      { Type: 'bind', Source: '/tmp', Target: '/host', ReadOnly: true },
    ]),
  },
  {
    guarantee: 'mount /workspace',
    how: 'mounts it the other way',
    change: mountOn('/workspace', true),
  },
  { guarantee: 'supervisor', how: 'lets it be changed', change: mountOn('/.openexec', false) },
  { guarantee: 'masked_paths', how: 'masks nothing', change: () => ({ MaskedPaths: [] }) },
  { guarantee: 'namespaces', how: 'shares one', change: () => ({ IpcMode: 'host' }) },
  { guarantee: 'namespaces', how: 'shares the processes', change: () => ({ PidMode: 'host' }) },
  {
    guarantee: 'runtime',
    how: 'takes another',
    change: () => ({ Runtime: 'io.containerd.runc.v2' }),
  },
  {
    guarantee: 'capabilities',
    how: 'adds the worst one',
    change: () => ({ CapAdd: ['SYS_ADMIN'] }),
  },
  {
    guarantee: 'devices',
    how: 'adds one',
    change: () => ({
      Devices: [{ PathOnHost: '/dev/null', PathInContainer: '/dev/x', CgroupPermissions: 'r' }],
    }),
  },
]

const ulimit = (Name: string, Soft: number, Hard: number) => ({
  guarantee: `ulimit_${Name}`,
  how: 'sets a higher limit',
  change: ({ Ulimits = [] }: Host) => ({
    Ulimits: [...Ulimits.filter((one) => one.Name !== Name), { Name, Soft, Hard }],
  }),
})
const half = (value: number | undefined, factor: number) => Math.round((value ?? 0) * factor)

/** Not forgotten, but less than asked for; and the rest of what an engine could add. All at once. */
const weaker: Lie[] = [
  {
    guarantee: 'memory',
    how: 'gives half as much again',
    change: ({ Memory }) => ({ Memory: half(Memory, 1.5), MemorySwap: half(Memory, 1.5) }),
  },
  {
    guarantee: 'pids',
    how: 'gives one more',
    change: ({ PidsLimit }) => ({ PidsLimit: half(PidsLimit, 1) + 1 }),
  },
  {
    guarantee: 'cpus',
    how: 'gives a tenth more',
    change: ({ NanoCpus }) => ({ NanoCpus: Math.min(half(NanoCpus, 1.1), cpus().length * 1e9) }),
  },
  ulimit('fsize', 1e12, 1e12),
  ulimit('core', 0, 4096),
  ulimit('memlock', 1_000_000, 1_000_000),
  {
    guarantee: 'tmpfs /home/agent',
    how: 'honours set-id bits there',
    change: ({ Tmpfs = {} }) => ({
      Tmpfs: {
        ...Tmpfs,
        '/home/agent': Tmpfs['/home/agent']?.replace('nosuid', 'suid') ?? '',
      },
    }),
  },
  {
    guarantee: 'tmpfs /var/tmp',
    how: 'counts no files there',
    change: ({ Tmpfs = {} }) => ({
      Tmpfs: {
        ...Tmpfs,
        '/var/tmp': Tmpfs['/var/tmp']?.replace(/nr_inodes=\d+/, 'nr_inodes=0') ?? '',
      },
    }),
  },
  {
    guarantee: 'tmpfs /run',
    how: 'lets programs run there',
    change: ({ Tmpfs = {} }) => ({
      Tmpfs: { ...Tmpfs, '/run': Tmpfs['/run']?.replace('noexec', 'exec') ?? '' },
    }),
  },
  { guarantee: 'tmpfs /dev/shm', how: 'makes it larger', change: () => ({ ShmSize: 1e9 }) },
  { guarantee: 'user', how: 'adds a group', change: () => ({ GroupAdd: ['999'] }) },
  {
    guarantee: 'readonly_paths',
    how: 'leaves them writable',
    change: () => ({ ReadonlyPaths: [] }),
  },
  {
    guarantee: 'mount /openexec/git',
    how: 'lets it be written',
    change: mountOn('/openexec/git', false),
  },
  {
    guarantee: 'mount_sources',
    how: 'mounts another directory in its place',
    change: mounts((all) =>
      all.map((one) => (one.Target === '/etc/group' ? { ...one, Source: '/etc/group' } : one)),
    ),
  },
  {
    guarantee: 'mounts',
    how: 'mounts a volume',
    change: mounts((all) => [...all, { Type: 'tmpfs', Target: '/extra', Source: '' }]),
  },
  {
    guarantee: 'devices',
    how: 'allows more',
    change: () => ({ DeviceCgroupRules: ['c 1:1 r'] }),
  },
  {
    guarantee: 'log',
    how: 'keeps one',
    change: () => ({ LogConfig: { Type: 'json-file', Config: {} } }),
  },
  {
    guarantee: 'restart',
    how: 'brings it back',
    change: () => ({ RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 1 } }),
  },
  { guarantee: 'resolver', how: 'names its own', change: () => ({ Dns: ['192.0.2.1'] }) },
]

for (const { guarantee, how, change } of lies) {
  const name = guarantee.replace(' (', '')
  dockerTest(`open() refuses by the name of ${name} when the engine ${how}`, async () => {
    await expect(openOn(lyingEngine(change))).rejects.toMatchObject({
      code: 'confinement_weaker',
      message: expect.stringContaining(guarantee),
    })
    expect(await containersOf(testEngine(), INSTANCE)).toBe(0)
  })
}

let refused: OpenExecError | undefined
dockerTest('open() names everything that is weaker, not only the first', async () => {
  const all = (host: Host) =>
    weaker.reduce((changed, { change }) => ({ ...changed, ...change(changed) }), host)
  refused = await openOn(lyingEngine(all)).then(
    () => undefined,
    (error: unknown) => (error instanceof OpenExecError ? error : undefined),
  )
  expect(refused, JSON.stringify(refused?.details)).toMatchObject({ code: 'confinement_weaker' })
  expect(await containersOf(testEngine(), INSTANCE)).toBe(0)
})

for (const { guarantee, how } of weaker)
  dockerTest(`open() refuses by the name of ${guarantee} when the engine ${how}`, () => {
    expect(refused?.message).toContain(`${guarantee} (`)
  })

const topLies: TopLie[] = [
  { guarantee: 'user', how: 'makes it root', changeTop: () => ({ User: '0:0' }) },
  { guarantee: 'image', how: 'takes another', changeTop: () => ({ Image: 'openexec/python' }) },
  {
    guarantee: 'healthcheck',
    how: 'looks after its health',
    changeTop: () => ({ Healthcheck: { Test: ['CMD', '/bin/true'], Interval: 60e9 } }),
  },
]

for (const { guarantee, how, changeTop } of topLies)
  dockerTest(`open() refuses by the name of ${guarantee} when the engine ${how}`, async () => {
    await expect(openOn(lyingEngine(() => ({}), changeTop))).rejects.toMatchObject({
      code: 'confinement_weaker',
      message: expect.stringContaining(guarantee),
    })
    expect(await containersOf(testEngine(), INSTANCE)).toBe(0)
  })

dockerTest('every guarantee of a receipt was taken away from a sandbox here', async () => {
  const { receipt } = await openOn(testEngine())
  const taken = [...lies, ...weaker, ...topLies].map(({ guarantee }) => guarantee.replace(' (', ''))
  const watched = ['disk', 'inodes', 'rootfs_flags', 'workspace_flags']
  expect(
    receipt.items
      .map(({ guarantee }) => guarantee)
      .filter((name) => ![...taken, ...watched].includes(name)),
  ).toEqual([])
})

dockerTest(
  'open() goes on with a weaker sandbox when that was accepted, and stamps it',
  async () => {
    const { receipt, ran } = await openOn(
      lyingEngine(() => ({ PidsLimit: 0 })),
      {
        acceptDegraded: true,
      },
    )
    expect(receipt).toMatchObject({ complete: false, degraded: true })
    expect(receipt.items.filter(({ status }) => status === 'missing')).toMatchObject([
      { guarantee: 'pids', requested: '512', enforced: 'Infinity', source: 'inside' },
    ])
    expect(ran.exitCode).toBe(0)
  },
)

dockerTest('open() gives a complete receipt that fits its schema', async () => {
  const { receipt } = await openOn(testEngine())
  expect(Receipt.parse(receipt)).toEqual(receipt)
  expect(receipt).toMatchObject({ complete: true, degraded: false })
  expect(receipt.engine.version).toBe(testEngine().version)
})

dockerTest(
  'open() clamps what an engine without CAP_SYS_RESOURCE refuses, once, and says so',
  async () => {
    let refusals = 0
    const real = testEngine()
    const docker: Docker = Object.create(real.docker)
    docker.createContainer = async (options: Docker.ContainerCreateOptions) => {
      const container = await real.docker.createContainer(options)
      const wants = options.HostConfig?.Ulimits?.some(({ Name }) => Name === 'nofile') === true
      if (wants) {
        container.start = () => {
          refusals++
          return Promise.reject(
            Object.assign(new Error('operation not permitted'), { statusCode: 500 }),
          )
        }
      }
      return container
    }
    const own = sandboxBench(INSTANCE, async () => ({ ...real, docker }))
    // The engine's own hard limit then holds, which on this one is above the requested.
    const asked = { ...confinement, ulimits: [{ name: 'nofile', soft: 1e6, hard: 1e6 }] }
    const first = await own.open(asked)
    expect(refusals).toBe(2)
    expect(
      first.receipt.items.find(({ guarantee }) => guarantee === 'ulimit_nofile'),
    ).toMatchObject({
      requested: '1000000:1000000',
      status: 'enforced',
    })
    await own.open(asked)
    expect(refusals).toBe(2)
    await own.closeAll()
  },
)

dockerTest('open() tells what the engine said when no attempt starts', async () => {
  const engine = lyingEngine(() => ({ Sysctls: { 'net.no.such.thing': '1' } }))
  await expect(openOn(engine)).rejects.toMatchObject({ code: 'sandbox_failed' })
  expect(await containersOf(testEngine(), INSTANCE)).toBe(0)
})
