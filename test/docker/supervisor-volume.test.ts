import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect } from 'vitest'
import {
  doubtSupervisorVolume,
  SUPERVISOR_IMAGE,
  type SupervisorOptions,
  supervisorVolume,
} from '../../src/sandbox/supervisor-volume.ts'
import { dockerTest, expectNoLeftovers, testEngine } from '../helpers/docker.ts'

const INSTANCE = 'test-supervisor-volume'
expectNoLeftovers(INSTANCE)

/** A version of its own, so that nobody else's volume is touched. */
const image = `openexec/test-supervisor:${randomBytes(4).toString('hex')}`
const options: SupervisorOptions = {
  image,
  labels: { 'openexec.instance': INSTANCE },
  signal: new AbortController().signal,
}
const volumes: string[] = []

beforeAll(async () => {
  const { docker } = testEngine()
  const container = await docker.createContainer({ Image: SUPERVISOR_IMAGE })
  const [repo, tag] = image.split(':')
  await container.commit({ repo, tag, comment: image })
  await container.remove({ v: true })
})
afterAll(async () => {
  const { docker } = testEngine()
  for (const name of volumes) {
    await docker.getVolume(name).remove()
    await docker.getVolume(`${name}-ready`).remove()
  }
  await docker.getImage(image).remove()
})

/** Runs a shell text with the volume, writable, at /v. */
async function inVolume(name: string, script: string): Promise<number> {
  const container = await testEngine().docker.createContainer({
    Image: 'openexec/base:latest',
    Entrypoint: ['/bin/sh', '-c', script],
    Labels: { 'openexec.instance': INSTANCE },
    HostConfig: {
      NetworkMode: 'none',
      Mounts: [{ Type: 'volume', Source: name, Target: '/v' }],
    },
  })
  await container.start()
  const { StatusCode } = await container.wait()
  await container.remove({ v: true })
  return StatusCode
}

dockerTest('supervisorVolume() is filled once by several at the same time', async () => {
  const names = await Promise.all([1, 2, 3].map(() => supervisorVolume(testEngine(), options)))
  const [name = ''] = names
  volumes.push(name)
  expect(new Set(names)).toEqual(new Set([name]))
  expect(name).toMatch(/^openexec-supervisor-[0-9a-f]{16}$/)
  expect(await inVolume(name, 'test -x /v/supervisor')).toBe(0)
})

dockerTest('supervisorVolume() repairs what somebody changed, once it is in doubt', async () => {
  const [name = ''] = volumes
  expect(await inVolume(name, 'echo broken > /v/supervisor')).toBe(0)
  expect(await supervisorVolume(testEngine(), options)).toBe(name)
  await doubtSupervisorVolume(testEngine(), options)
  expect(await supervisorVolume(testEngine(), options)).toBe(name)
  expect(await inVolume(name, 'test "$(head -c 4 /v/supervisor | tail -c 3)" = ELF')).toBe(0)
})

dockerTest('supervisorVolume() says how to get the image where it is missing', async () => {
  const missing = { ...options, image: 'openexec/no-such-supervisor:1' }
  await expect(supervisorVolume(testEngine(), missing)).rejects.toMatchObject({
    code: 'image_not_found',
    hint: 'Build it with `npm run setup`',
  })
})
