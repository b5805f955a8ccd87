/** Without an engine nothing begins, and what needs none goes on. */
import { expect, test } from 'vitest'
import { countRuns, errorOf, leftInRepository, openexec, testRepository } from '../helpers/cli.ts'
import { startFakeEngine } from '../helpers/fake-engine.ts'

const dead = { DOCKER_HOST: 'unix:///nowhere/engine.sock' }

test.each([
  ['a missing socket', dead.DOCKER_HOST, 125, 'engine_unavailable'],
  ['a port nobody listens on', 'tcp://127.0.0.1:1', 125, 'engine_unavailable'],
  ['an address of no known kind', 'gopher://engine', 2, 'bad_request'],
])('run names %s, and no run comes of it', async (_what, host, exit, code) => {
  using repository = testRepository()
  const before = repository.digest()
  const cwd = repository.path
  const env = { DOCKER_HOST: host }
  const json = await openexec(['run', '--json', '--', 'true'], { cwd, env })
  expect(json).toMatchObject({ code: exit, stderr: '' })
  expect(errorOf(json)).toMatchObject({ hint: expect.any(String) })
  if (exit === 125) expect(errorOf(json).code).toBe(code)
  expect(countRuns(repository)).toBe(0)
  expect(leftInRepository(repository)).toEqual([])
  expect(repository.digest()).toBe(before)
})

test('an engine that is too old is refused with its version and the one that is needed', async () => {
  const version = {
    Version: '17.03.0',
    ApiVersion: '1.27',
    MinAPIVersion: '1.12',
    Os: 'linux',
    Arch: 'amd64',
  }
  const engine = await startFakeEngine({ '/version': version, '/_ping': 'OK', '/info': {} })
  try {
    using repository = testRepository()
    const env = { DOCKER_HOST: engine.endpoint }
    const run = await openexec(['run', '--json', '--', 'true'], { cwd: repository.path, env })
    expect(run.code).toBe(125)
    expect(errorOf(run)).toMatchObject({
      code: 'engine_too_old',
      message: expect.stringContaining('1.27'),
    })
    const doctor = await openexec(['doctor'], { cwd: repository.path, env })
    expect(doctor.code).toBe(125)
    expect(doctor.stdout).toMatch(/✘ engine .*1\.27/)
  } finally {
    await engine.close()
  }
})

test('doctor says what is missing and what to do about it', async () => {
  using repository = testRepository()
  const { code, stdout, stderr } = await openexec(['doctor'], { cwd: repository.path, env: dead })
  expect({ code, stderr }).toEqual({ code: 125, stderr: '' })
  expect(stdout).toMatch(/✔ git .*\n[^]*✘ engine .*no such socket\n +\S/)
})

test('reading commands and blueprint list need no engine', async () => {
  using repository = testRepository()
  const options = { cwd: repository.path, env: dead }
  await openexec(['run', '--', 'true'], options)
  expect(await openexec(['ps', '--json'], options)).toMatchObject({ code: 0, stderr: '' })
  expect((await openexec(['blueprint', 'list'], options)).code).toBe(0)
  const missing = await openexec(['show', 'run_0000000000000000'], options)
  expect(missing.code).toBe(2)
  expect(missing.stderr).toMatch(/Cannot find run "run_0000000000000000"[\s\S]*openexec ps/)
})
