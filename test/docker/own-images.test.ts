import { randomUUID } from 'node:crypto'
import { text } from 'node:stream/consumers'
import { expect } from 'vitest'
import { OWN_IMAGES, resolveImage } from '../../src/sandbox/images.ts'
import { dockerTest, expectNoLeftovers, testEngine } from '../helpers/docker.ts'

const instance = `test-${randomUUID()}`
expectNoLeftovers(instance)

/** Runs a shell script in a container of the image, without network, as nobody. */
async function output(image: string, script: string): Promise<string> {
  const { docker } = testEngine()
  const container = await docker.createContainer({
    Image: image,
    Cmd: ['sh', '-c', script],
    User: '65534:65534',
    Tty: true,
    Labels: { 'openexec.instance': instance },
    HostConfig: { NetworkMode: 'none', LogConfig: { Type: 'none', Config: {} } },
  })
  try {
    const stream = await container.attach({ stream: true, stdout: true, stderr: true })
    await container.start()
    return (await text(stream)).replaceAll('\r', '')
  } finally {
    await container.remove({ force: true, v: true })
  }
}

const PROGRAMS = {
  base: 'git curl jq rg nc ps gcc make',
  node: 'git curl jq rg nc ps gcc make node npm npx',
  python: 'git curl jq rg nc ps gcc make python python3 pip pytest',
}

for (const name of OWN_IMAGES) {
  dockerTest(`the image "${name}" has its programs and nothing that gains privileges`, async () => {
    const { id, config } = await resolveImage(testEngine().docker, name)
    expect(config).toMatchObject({ volumes: [], user: '', entrypoint: [], hasHealthcheck: false })
    expect(config.labels).toMatchObject({
      'openexec.image': name,
      'openexec.content-hash': expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    const missing = `for p in ${PROGRAMS[name]}; do command -v $p >/dev/null || echo "no $p"; done`
    expect(await output(id, missing)).toBe('')
    expect(await output(id, 'find / -xdev -type f -perm /6000 2>/dev/null')).toBe('')
    expect(await output(id, 'ls /var/lib/apt/lists /var/cache/apt')).toBe(
      '/var/cache/apt:\n\n/var/lib/apt/lists:\n',
    )
  })
}

dockerTest('the image "node" runs JavaScript and npm for a user it does not know', async () => {
  const { id } = await resolveImage(testEngine().docker, 'node')
  const script =
    'HOME=/tmp node -p "process.versions.node.split(\'.\')[0]" && HOME=/tmp npm --version'
  expect(await output(id, script)).toMatch(/^24\n\d+\.\d+\.\d+\n$/)
})

dockerTest('the image "python" makes virtual environments without network', async () => {
  const { id } = await resolveImage(testEngine().docker, 'python')
  expect(await output(id, 'python -m venv /tmp/v && /tmp/v/bin/python -c "print(6*7)"')).toBe(
    '42\n',
  )
})
