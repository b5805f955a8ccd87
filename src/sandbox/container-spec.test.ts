import { expect, test } from 'vitest'
import { OpenExecError } from '../schema/index.ts'
import { containerSpec } from './container-spec.ts'
import { testImage, testRequest } from '../../test/helpers/sandbox-request.ts'

const host = (change: Parameters<typeof testRequest>[0] = {}) =>
  containerSpec(testRequest(change)).HostConfig

test('containerSpec() gives no way to a capability, a device, a port or a host namespace', () => {
  expect(host()).toMatchObject({
    CapDrop: ['ALL'],
    CapAdd: [],
    Privileged: false,
    Devices: [],
    DeviceRequests: [],
    NetworkMode: 'none',
    PortBindings: {},
    PublishAllPorts: false,
    IpcMode: 'private',
    PidMode: '',
    UTSMode: '',
    UsernsMode: '',
    CgroupnsMode: 'private',
    VolumesFrom: [],
    GroupAdd: [],
  })
})

test('containerSpec() mounts with Mounts, never with Binds, and nothing of the host recursively', () => {
  const { Binds, Mounts = [] } = host()
  expect(Binds).toEqual([])
  expect(Mounts.map(({ Target, ReadOnly }) => [Target, ReadOnly])).toEqual([
    ['/workspace', false],
    ['/etc/passwd', true],
    ['/etc/group', true],
    ['/.openexec', true],
  ])
  for (const { Type, BindOptions } of Mounts)
    expect(BindOptions).toEqual(
      Type === 'bind' ? { Propagation: 'rprivate', NonRecursive: true } : undefined,
    )
})

test('containerSpec() hands the seccomp profile over as text', () => {
  expect(host().SecurityOpt).toEqual(['no-new-privileges:true', 'seccomp={"defaultAction":"x"}'])
})

test('containerSpec() uses AppArmor where the engine has it, and no seccomp where it has none', () => {
  const security = { seccomp: false, apparmor: true }
  expect(host({ security }).SecurityOpt).toEqual([
    'no-new-privileges:true',
    'apparmor=docker-default',
  ])
})

test('containerSpec() switches swap off by a limit equal to the memory', () => {
  const { Memory, MemorySwap } = host()
  expect(MemorySwap).toBe(Memory)
})

test('containerSpec() overrides entry point, user, health check and working directory of the image', () => {
  expect(containerSpec(testRequest({}))).toMatchObject({
    Image: testImage.id,
    Entrypoint: ['/.openexec/supervisor'],
    Cmd: [],
    User: '200001:200002',
    WorkingDir: '/workspace',
    Healthcheck: { Test: ['NONE'] },
    Tty: false,
    OpenStdin: true,
    StdinOnce: false,
  })
})

test('containerSpec() takes the loader hooks of the image away', () => {
  const config = { ...testImage.config, env: ['LD_PRELOAD=/x.so', 'PATH=/opt/bin', 'GOROOT=/go'] }
  const { Env } = containerSpec(testRequest({ image: { ...testImage, config } }))
  expect(Env).toEqual(['GOROOT=/go', 'HOME=/home/agent', 'LD_PRELOAD', 'PATH=/opt/bin'])
})

test('containerSpec() gives up only what the engine refuses, and only towards tighter', () => {
  const names = (clamps: { inheritNofile: boolean; oomScoreAdjMax: boolean }) => {
    const { Ulimits = [], OomScoreAdj } = host({ clamps })
    return [Ulimits.map(({ Name }) => Name), OomScoreAdj]
  }
  expect(names({ inheritNofile: false, oomScoreAdjMax: false })).toEqual([['nofile', 'core'], 500])
  expect(names({ inheritNofile: true, oomScoreAdjMax: true })).toEqual([['core'], 1000])
})

test('containerSpec() writes each tmpfs with its size, inodes, mode and owner', () => {
  expect(host().Tmpfs).toEqual({
    '/tmp': 'rw,nosuid,nodev,exec,size=1048576,nr_inodes=100,mode=1777',
    '/home/agent':
      'rw,nosuid,nodev,noexec,size=2097152,nr_inodes=200,mode=700,uid=200001,gid=200002',
  })
})

const withVolumes = (...volumes: string[]) => ({
  image: { ...testImage, config: { ...testImage.config, volumes } },
})

test('containerSpec() covers the volumes of an image that nothing else covers', () => {
  const { Tmpfs = {} } = host(
    withVolumes('/data', '/var/lib/x/', '/tmp', '/workspace', '/home/agent'),
  )
  expect(Object.keys(Tmpfs).sort()).toEqual(['/data', '/home/agent', '/tmp', '/var/lib/x'])
  expect(Tmpfs['/tmp']).toContain('size=1048576')
  expect(Tmpfs['/data']).toContain('nosuid,nodev,noexec,size=67108864')
})

test.each([
  '/',
  '/proc',
  '/proc/x',
  '/sys/fs',
  '/dev/shm',
  '/.openexec',
  '/openexec/git',
  '/etc',
  '/workspace/x',
  'relative',
  '/a/../proc',
  '/a:b',
])('containerSpec() refuses an image with the volume %s', (volume) => {
  let refused: unknown
  try {
    host(withVolumes(volume))
  } catch (error) {
    refused = error
  }
  expect(refused).toBeInstanceOf(OpenExecError)
  expect(refused).toMatchObject({ code: 'confinement_unsupported' })
})

test('containerSpec() refuses an image with more volumes than it would cover', () => {
  const many = Array.from({ length: 65 }, (_, index) => `/v${index}`)
  expect(() => host(withVolumes(...many))).toThrow('more than 64 volumes')
})

test('containerSpec() lets the root be written only where the confinement says so', () => {
  const { confinement } = testRequest({})
  expect(host().ReadonlyRootfs).toBe(true)
  expect(host({ confinement: { ...confinement, rootfs: 'writable' } }).ReadonlyRootfs).toBe(false)
})
