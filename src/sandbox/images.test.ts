import Docker from 'dockerode'
import { expect, onTestFinished, test } from 'vitest'
import { startFakeEngine } from '../../test/helpers/fake-engine.ts'
import { resolveImage } from './images.ts'

async function engineWith(answers: Record<string, unknown>) {
  const engine = await startFakeEngine(answers)
  onTestFinished(() => engine.close())
  return { ...engine, docker: new Docker({ socketPath: engine.endpoint.slice('unix://'.length) }) }
}

test('resolveImage() reads short names as images of OpenExec', async () => {
  const { docker } = await engineWith({ '/images/openexec/node:latest/json': { Id: 'sha256:1' } })
  expect(await resolveImage(docker, 'node')).toMatchObject({
    id: 'sha256:1',
    name: 'openexec/node:latest',
    digest: 'sha256:1',
  })
})

test('resolveImage() takes an image of the user by its name and tells its configuration', async () => {
  const { docker } = await engineWith({
    '/images/acme/app:3/json': {
      Id: 'sha256:2',
      RepoDigests: ['acme/app@sha256:3'],
      Architecture: 'amd64',
      Config: {
        Env: ['LD_PRELOAD=/x.so'],
        Volumes: { '/data': {} },
        User: 'root',
        Entrypoint: ['/start'],
        Healthcheck: { Test: ['CMD', 'true'] },
      },
    },
  })
  expect(await resolveImage(docker, 'acme/app:3')).toEqual({
    id: 'sha256:2',
    name: 'acme/app:3',
    digest: 'acme/app@sha256:3',
    architecture: 'amd64',
    config: {
      env: ['LD_PRELOAD=/x.so'],
      volumes: ['/data'],
      user: 'root',
      entrypoint: ['/start'],
      cmd: [],
      workingDir: '',
      hasHealthcheck: true,
      labels: {},
    },
  })
})

test('resolveImage() says how to get an image that is not there', async () => {
  const { docker } = await engineWith({})
  await expect(resolveImage(docker, 'python')).rejects.toMatchObject({
    code: 'image_not_found',
    hint: 'Build it with `npm run setup`',
  })
  await expect(resolveImage(docker, 'acme/app')).rejects.toMatchObject({
    code: 'image_not_found',
    message: 'Cannot find image "acme/app": the engine does not have it',
    hint: expect.stringContaining('`docker pull acme/app`'),
  })
})

test.each(['', '../containers/json', 'a//b', 'a b', 'a?b', '-x', 'a\nb', 'x'.repeat(256)])(
  'resolveImage() refuses %j before it asks the engine',
  async (name) => {
    const { docker, asked } = await engineWith({})
    await expect(resolveImage(docker, name)).rejects.toMatchObject({ code: 'bad_request' })
    expect(asked).toEqual([])
  },
)
