/** Any image may be used, and none has a say in how it is confined. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect } from 'vitest'
import { dockerTest, expectNoLeftovers, testEngine } from '../helpers/docker.ts'
import { containerOf, run, sandboxBench, testConfinement } from '../helpers/sandbox.ts'

const INSTANCE = 'test-foreign-image'
expectNoLeftovers(INSTANCE)

const bench = sandboxBench(INSTANCE, async () => testEngine())
const confinement = testConfinement('workspace_write')
const signal = new AbortController().signal
const hostile = `openexec/test-hostile:${randomBytes(4).toString('hex')}`

beforeAll(async () => {
  const container = await testEngine().docker.createContainer({
    Image: 'openexec/base:latest',
    Entrypoint: ['/bin/true'],
  })
  const [repo, tag] = hostile.split(':')
  const changes = [
    'VOLUME ["/data", "/var/lib/data/"]',
    'USER 0',
    'WORKDIR /proc/self/fd/8',
    'ENTRYPOINT ["/bin/false"]',
    'ENV LD_PRELOAD=/workspace/evil.so HTTP_PROXY=http://10.0.0.1 TOOLS=/opt/tools HOME=/root',
    'HEALTHCHECK CMD touch /workspace/healthy',
    'LABEL openexec.owner=1:1@0000000000000000 openexec.run=run_other',
  ]
  await container.commit({ repo, tag, changes })
  await container.remove({ v: true })
})
afterAll(async () => {
  await bench.closeAll()
  await testEngine().docker.getImage(hostile).remove()
})

dockerTest('open() overrides all that an image says of how it is to be run', async () => {
  const { spec } = bench.slot(confinement)
  const sandbox = await bench.sandboxes.open({ ...spec, image: hostile }, { signal })
  const script =
    'id -u; pwd; echo "$LD_PRELOAD|$HTTP_PROXY|$TOOLS|$HOME"; stat -f -c %T /data /var/lib/data'
  expect((await run(sandbox, script)).stdout.split('\n')).toEqual([
    String(spec.user.uid),
    '/workspace',
    '||/opt/tools|/home/agent',
    'tmpfs',
    'tmpfs',
    '',
  ])
  const id = await containerOf(testEngine(), spec.id)
  const { Mounts, Config, HostConfig } = await testEngine().docker.getContainer(id).inspect()
  expect(Mounts.filter(({ Type }) => Type === 'volume')).toHaveLength(1)
  expect(Config.Labels).toMatchObject({ 'openexec.run': 'run_test', 'openexec.sandbox': spec.id })
  expect(Config.Labels['openexec.owner']).not.toContain('@0000000000000000')
  expect(HostConfig.Tmpfs).toHaveProperty(['/data'])
  await sandbox.close()
})

dockerTest('open() works with an image that holds not even a shell', async () => {
  const { spec } = bench.slot(confinement)
  const image = 'openexec/supervisor:latest'
  const sandbox = await bench.sandboxes.open({ ...spec, image }, { signal })
  // The one program there is; it complains about its arguments with the code for that.
  expect(await run(sandbox, ['/.openexec/supervisor', '--nonsense'])).toMatchObject({
    exitCode: 64,
  })
  await expect(run(sandbox, 'echo')).rejects.toMatchObject({ code: 'command_not_startable' })
  await sandbox.writeFile('/workspace/file', Buffer.from('x'), { mode: 0o600 })
  expect(Buffer.from(await sandbox.readFile('/workspace/file', { maxBytes: 9 })).toString()).toBe(
    'x',
  )
  await sandbox.close()
})
