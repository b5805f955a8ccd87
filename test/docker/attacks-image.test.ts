/** What an image can say of itself has no say in a run, whoever named it: the caller or the repository. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect } from 'vitest'
import { dockerTest, testEngine } from '../helpers/docker.ts'
import { hostileRepository } from '../helpers/hostile-repository.ts'

const TAG = randomBytes(4).toString('hex')
const IMAGE = `openexec/test-attacks:${TAG}`
/** As `IMAGE`, with volumes over what the sandbox is made of. */
const COVERING = `openexec/test-attacks-covering:${TAG}`
const VOLUME = '/data'
const LABEL = 'openexec.test-attacks'

const CHANGES = [
  'USER 0',
  'WORKDIR /proc/self/fd/8',
  'ENTRYPOINT ["/bin/sh", "-c", "echo HIJACKED; exit 0"]',
  'CMD ["HIJACKED"]',
  'ENV LD_PRELOAD=/workspace/evil.so LD_LIBRARY_PATH=/workspace GIT_DIR=/workspace/bare GIT_EXTERNAL_DIFF=/workspace/x BASH_ENV=/workspace/x ENV=/workspace/x HTTP_PROXY=http://10.0.0.1:1 DOCKER_HOST=tcp://10.0.0.1:1 HOME=/root',
  'HEALTHCHECK --interval=1s CMD touch /workspace/healthy',
  'EXPOSE 80',
  `LABEL ${LABEL}=1 openexec.owner=1:1@0 openexec.run=run_other openexec.instance=other`,
]

beforeAll(async () => {
  await commitImage(IMAGE, [...CHANGES, `VOLUME ["${VOLUME}"]`])
  await commitImage(COVERING, [
    ...CHANGES,
    'VOLUME ["/workspace", "/openexec", "/.openexec", "/etc"]',
  ])
})
afterAll(async () => {
  for (const image of [IMAGE, COVERING]) await testEngine().docker.getImage(image).remove()
})

async function commitImage(image: string, changes: string[]): Promise<void> {
  const container = await testEngine().docker.createContainer({
    Image: 'openexec/base:latest',
    Entrypoint: ['/bin/true'],
  })
  try {
    const [repo, tag] = image.split(':')
    await container.commit({ repo, tag, changes })
  } finally {
    await container.remove({ v: true })
  }
}

const LOOK = `
  id -u; pwd; cat /proc/1/comm; echo "$HOME|$LD_PRELOAD|$LD_LIBRARY_PATH|$GIT_DIR|$HTTP_PROXY|$DOCKER_HOST"
  grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'
  touch /workspace/mine /etc/mine /.openexec/mine 2>/dev/null; ls -A /workspace
  grep -c : /proc/net/dev; sleep 2; ls /workspace/healthy 2>/dev/null; echo x > ${VOLUME}/x && df -PT ${VOLUME} | tail -1 | cut -d' ' -f1; exit 7`

dockerTest(
  'an image cannot choose its user, program, environment, volumes or health check',
  async () => {
    const { docker } = testEngine()
    // As an engine starts it when nobody says otherwise.
    const plain = await docker.createContainer({
      Image: IMAGE,
      WorkingDir: '/',
      Labels: { [LABEL]: 'plain' },
    })
    try {
      await plain.start()
      await plain.wait()
      const { Mounts, State } = await plain.inspect()
      expect({ code: State.ExitCode, volumes: Mounts.length }).toEqual({ code: 0, volumes: 1 })
    } finally {
      await plain.remove({ v: true, force: true })
    }

    await using repository = hostileRepository()
    const before = await volumes()
    const { result } = await repository.run('--image', IMAGE, '--', 'sh', '-c', LOOK)
    expect(result).toMatchObject({ status: 'failed', reason: 'exit_nonzero' })
    const lines = (await repository.openexec('logs', result.run)).stdout.toString().split('\n')
    expect(lines.join('\n')).not.toContain('HIJACKED')
    const [uid, directory, first, environment, ...rest] = lines
    expect(Number(uid)).toBeGreaterThan(0)
    expect([directory, first, environment]).toEqual([
      '/workspace',
      'supervisor',
      '/home/agent|||||',
    ])
    expect(rest.slice(0, 4).sort()).toEqual([
      'CapBnd:0000000000000000',
      'CapEff:0000000000000000',
      'NoNewPrivs:1',
      'Seccomp:2',
    ])
    expect(rest.slice(4)).toEqual(['.git', 'mine', 'readme', '1', 'tmpfs', ''])
    expect(result.diff.files).toBe(1)
    expect(await volumes()).toEqual(before)
  },
)

dockerTest('an image with volumes over the sandbox itself is refused by name', async () => {
  await using repository = hostileRepository()
  const { result, code } = await repository.run('--image', COVERING, '--', 'true')
  expect(result).toMatchObject({ status: 'failed', reason: 'confinement_unsupported' })
  expect(result.detail).toMatch(/volume/i)
  expect(code).toBe(5)
})

dockerTest(
  'an image that a repository names is only used when it is there, and never pulled',
  async () => {
    await using repository = hostileRepository({
      'openexec.yaml': 'image: evil.example/backdoor:latest\ncommands: { test: ["true"] }\n',
    })
    const { code, stderr } = await repository.openexec('run', 'check')
    expect(code).toBe(2)
    expect(stderr.toString()).toContain('evil.example/backdoor')
    expect(
      (await testEngine().docker.listImages({ filters: { reference: ['evil.example/*'] } })).length,
    ).toBe(0)
  },
)

/** Volumes without an owner, which an image leaves behind. */
async function volumes(): Promise<string[]> {
  const { Volumes } = await testEngine().docker.listVolumes({ filters: { dangling: ['true'] } })
  return Volumes.map(({ Name }) => Name)
    .filter((name) => /^[0-9a-f]{64}$/.test(name))
    .sort()
}
