/** What the doctor says of a real machine, and that nothing of what it tries is left. */
import { expect } from 'vitest'
import { DoctorReport } from '../../src/schema/index.ts'
import { CAPABILITY_WORDS } from '../../src/runtime/capability-words.ts'
import { openexec, testRepository } from '../helpers/cli.ts'
import { expectNothingLeft } from '../helpers/cli-engine.ts'
import { dockerTest, testEngine } from '../helpers/docker.ts'
import { engineProxy } from '../helpers/engine-proxy.ts'

async function reportOf(cwd: string, endpoint = testEngine().endpoint) {
  const ran = await openexec(['doctor', '--json'], { cwd, env: { DOCKER_HOST: endpoint } })
  return { code: ran.code, ...DoctorReport.parse(JSON.parse(ran.stdout)) }
}

async function probeVolumes(): Promise<string[]> {
  const { Volumes } = await testEngine().docker.listVolumes()
  return Volumes.map(({ Name }) => Name).filter((name) => name.startsWith('openexec-probe-'))
}

dockerTest('doctor measures every capability of this machine, and leaves nothing', async () => {
  using repository = testRepository()
  const before = await probeVolumes()
  const { code, ok, capabilities } = await reportOf(repository.path)
  expect({ code, ok }).toEqual({ code: 0, ok: true })
  expect(Object.keys(capabilities).sort()).toEqual(Object.keys(CAPABILITY_WORDS).sort())
  for (const [name, { evidence, meaning }] of Object.entries(capabilities)) {
    expect(evidence, name).not.toBe('')
    expect(meaning, name).not.toBe('')
  }
  // What a run cannot start without was seen in a sandbox.
  for (const name of ['memory_limit', 'process_limit', 'seccomp', 'no_network', 'read_only_root'])
    expect(capabilities[name], name).toMatchObject({
      has: 'yes',
      evidence: expect.stringContaining('in a sandbox'),
    })
  expect((await probeVolumes()).filter((name) => !before.includes(name))).toEqual([])
  await expectNothingLeft(repository)
})

dockerTest('doctor sees an engine that does not do what it is told', async () => {
  using repository = testRepository()
  // Same length, so that the request stays what its headers say.
  const proxy = await engineProxy(testEngine().endpoint, (chunk) =>
    Buffer.from(
      chunk
        .toString('latin1')
        .replace(/"PidsLimit":512/, '"PidsLimit":-1 ')
        .replace('"o":"size=1m,nr_inodes=16"', '"o":"size=9m,nr_inodes=16"'),
      'latin1',
    ),
  )
  try {
    const { code, ok, capabilities } = await reportOf(repository.path, proxy.endpoint)
    expect({ code, ok }).toEqual({ code: 125, ok: false })
    expect(capabilities['process_limit']).toMatchObject({
      has: 'no',
      evidence: expect.stringContaining('found Infinity'),
      remedy: expect.any(String),
    })
    expect(capabilities['tmpfs_volume_quota']).toMatchObject({
      has: 'no',
      evidence: expect.stringContaining('exit code 3'),
    })
    expect(capabilities['memory_limit']?.has).toBe('yes')
  } finally {
    await proxy.close()
  }
})

dockerTest('doctor shows people a table, and what to do about what is missed', async () => {
  using repository = testRepository()
  const { stdout } = await openexec(['doctor'], { cwd: repository.path })
  expect(stdout).toMatch(/CAPABILITY +HAS +EVIDENCE/)
  expect(stdout).toMatch(/^memory_limit +yes +in a sandbox/m)
})
