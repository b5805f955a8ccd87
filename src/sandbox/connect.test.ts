import { expect, onTestFinished, test } from 'vitest'
import { startFakeEngine } from '../../test/helpers/fake-engine.ts'
import { connectEngine, findEngine } from './connect.ts'

const VERSION = { Version: '27.1.0', ApiVersion: '1.46', Components: [{ Name: 'Engine' }] }
const INFO = { OperatingSystem: 'Debian', Architecture: 'aarch64', CgroupVersion: '2' }

async function engineWith(answers: Record<string, unknown>) {
  const engine = await startFakeEngine(answers)
  onTestFinished(() => engine.close())
  return engine
}

function addressOf(endpoint: string) {
  return { endpoint, source: 'test', tlsFolder: undefined }
}

test('connectEngine() tells what is behind the address', async () => {
  const { endpoint } = await engineWith({ '/version': VERSION, '/info': INFO })
  expect(await connectEngine(addressOf(endpoint))).toMatchObject({
    endpoint,
    kind: 'docker',
    rootless: false,
    version: '27.1.0',
    apiVersion: '1.46',
    arch: 'arm64',
    cgroupVersion: 2,
    securityOptions: [],
  })
})

test('connectEngine() speaks no version of the API above the one it knows', async () => {
  const { endpoint } = await engineWith({
    '/version': { ...VERSION, ApiVersion: '1.99' },
    '/info': INFO,
  })
  expect((await connectEngine(addressOf(endpoint))).apiVersion).toBe('1.47')
})

test('connectEngine() recognises Podman, Docker Desktop and a rootless engine', async () => {
  const podman = await engineWith({
    '/version': { Version: '4.3.1', ApiVersion: '1.41', Components: [{ Name: 'Podman Engine' }] },
    '/info': { ...INFO, SecurityOptions: ['name=seccomp', 'name=rootless'] },
  })
  const desktop = await engineWith({
    '/version': VERSION,
    '/info': { ...INFO, OperatingSystem: 'Docker Desktop' },
  })
  expect(await connectEngine(addressOf(podman.endpoint))).toMatchObject({
    kind: 'podman',
    rootless: true,
  })
  expect((await connectEngine(addressOf(desktop.endpoint))).kind).toBe('desktop')
})

test('connectEngine() refuses an engine that is too old and says what is needed', async () => {
  const { endpoint } = await engineWith({
    '/version': { Version: '19.03.15', ApiVersion: '1.40' },
    '/info': INFO,
  })
  await expect(connectEngine(addressOf(endpoint))).rejects.toMatchObject({
    code: 'engine_too_old',
    message: expect.stringContaining('speaks API 1.40, at least 1.41 is needed'),
  })
})

test('connectEngine() gives up on an engine that accepts and never answers', async () => {
  const { endpoint } = await engineWith({ '/version': undefined, '/info': undefined })
  await expect(connectEngine(addressOf(endpoint), AbortSignal.timeout(50))).rejects.toMatchObject({
    name: 'TimeoutError',
  })
})

test('connectEngine() refuses a scheme it does not speak', async () => {
  await expect(connectEngine(addressOf('ssh://box'))).rejects.toMatchObject({
    code: 'config_invalid',
    message: expect.stringContaining('"ssh://box"'),
  })
})

test('connectEngine() is not misled by the environment of the process', async () => {
  const { endpoint } = await engineWith({ '/version': VERSION, '/info': INFO })
  const before = process.env['DOCKER_HOST']
  onTestFinished(() => {
    if (before === undefined) delete process.env['DOCKER_HOST']
    else process.env['DOCKER_HOST'] = before
  })
  process.env['DOCKER_HOST'] = 'tcp://127.0.0.1:1'
  expect((await connectEngine(addressOf(endpoint))).version).toBe('27.1.0')
})

test('findEngine() names the address and the reason when the chosen engine is not there', async () => {
  await expect(findEngine({ DOCKER_HOST: 'unix:///nowhere/docker.sock' })).rejects.toMatchObject({
    code: 'engine_unavailable',
    message:
      'Cannot reach an engine at "unix:///nowhere/docker.sock" (DOCKER_HOST): no such socket',
  })
})

test('findEngine() stops when it is cancelled', async () => {
  const { endpoint } = await engineWith({ '/version': undefined, '/info': undefined })
  const cancelled = AbortSignal.abort(new Error('Cancelled by the test'))
  await expect(findEngine({ DOCKER_HOST: endpoint }, cancelled)).rejects.toThrow(
    'Cancelled by the test',
  )
})
