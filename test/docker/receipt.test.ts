/**
 * Each guarantee is taken away in turn behind our back, as a patched or broken engine would, and the
 * sandbox must be refused by the name of what is missing, with nothing left behind.
 */
import type Docker from 'dockerode'
import { afterAll, expect } from 'vitest'
import type { Engine } from '../../src/sandbox/connect.ts'
import type { SandboxSpec } from '../../src/sandbox/open.ts'
import { Receipt } from '../../src/schema/index.ts'
import { dockerTest, expectNoLeftovers, testEngine } from '../helpers/docker.ts'
import { containersOf, run, sandboxBench, testConfinement } from '../helpers/sandbox.ts'

const INSTANCE = 'test-receipt'
expectNoLeftovers(INSTANCE)

const confinement = testConfinement('workspace_write')
const signal = new AbortController().signal
const bench = sandboxBench(INSTANCE, async () => testEngine())
afterAll(() => bench.closeAll())

type Host = NonNullable<Docker.ContainerCreateOptions['HostConfig']>

/** The real engine, but for what it does with some of the settings it is given. */
function lyingEngine(change: (host: Host) => Partial<Host>): Engine {
  const real = testEngine()
  const docker: Docker = Object.create(real.docker)
  docker.createContainer = (options: Docker.ContainerCreateOptions) => {
    const host = options.HostConfig ?? {}
    // Helpers that prepare the supervisor's volume are none of the engine's lies.
    const isSandbox = options.name?.startsWith('openexec-sbx') === true
    return real.docker.createContainer({
      ...options,
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
  {
    guarantee: 'devices',
    how: 'adds one',
    change: () => ({
      Devices: [{ PathOnHost: '/dev/null', PathInContainer: '/dev/x', CgroupPermissions: 'r' }],
    }),
  },
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
