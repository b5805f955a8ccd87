/** Runs that are stopped, killed, cut off or left alone: what is told, and what is left. */
import { expect } from 'vitest'
import {
  type CliRun,
  errorOf,
  leftInRepository,
  openexec,
  resultOf,
  startOpenexec,
  testRepository,
  type TestRepository,
} from '../helpers/cli.ts'
import { expectNothingLeft, newestRun } from '../helpers/cli-engine.ts'
import { dockerTest, testEngine } from '../helpers/docker.ts'
import { engineProxy } from '../helpers/engine-proxy.ts'

const run = (...script: string[]) => ['run', '--image', 'base', '--', 'sh', '-c', ...script]
const WAIT = 'echo ready; sleep 300'

async function statusOf({ path }: TestRepository, id: string): Promise<unknown> {
  return resultOf(await openexec(['show', id, '--json'], { cwd: path }))
}

dockerTest('SIGTERM cancels the run, with --json in one object', async () => {
  using repository = testRepository()
  const before = repository.digest()
  const json = ['run', '--json', '--image', 'base', '--', 'sh', '-c', WAIT]
  const running = startOpenexec(json, { cwd: repository.path })
  await running.shows('ready')
  running.process.kill('SIGTERM')
  const ended = await running.ended
  expect(ended.code).toBe(130)
  expect(resultOf(ended)).toMatchObject({ status: 'cancelled', detail: 'Cancelled by SIGTERM' })
  await expectNothingLeft(repository)
  expect(repository.digest()).toBe(before)
})

dockerTest(
  'a reader that goes away ends the run in good order, and a reading command at once',
  async () => {
    using repository = testRepository()
    const cwd = repository.path
    const running = startOpenexec(run('yes'), { cwd })
    await running.shows('y\n')
    running.process.stdout?.destroy()
    const { code, stderr } = await running.ended
    expect(code).toBe(130)
    expect(stderr).toContain('nobody reads the output any more')
    expect(stderr).not.toMatch(/EPIPE|^ +at /m)
    await expectNothingLeft(repository)

    const reading = startOpenexec(['logs', await newestRun(cwd)], { cwd })
    reading.process.stdout?.destroy()
    expect(await reading.ended).toMatchObject({ code: 0, stderr: '' })
  },
)

dockerTest(
  'a command that ignores signals is killed at the time limit with all it started',
  async () => {
    using repository = testRepository()
    const cwd = repository.path
    const script = 'trap "" TERM INT HUP; setsid sleep 300 & sleep 300'
    const args = ['run', '--timeout', '1s', '--image', 'base', '--', 'sh', '-c', script]
    const { code, stderr } = await openexec(args, { cwd })
    expect(code).toBe(124)
    expect(stderr).toMatch(/failed \(wall_limit\)[\s\S]*longer than 1 s[\s\S]*--timeout/)
    await expectNothingLeft(repository)
  },
)

dockerTest(
  'a run whose process was killed is paused, left alone by gc and gone on with by resume',
  async () => {
    using repository = testRepository()
    const cwd = repository.path
    const running = startOpenexec(run('echo begun; sleep 2; echo done > made'), {
      cwd,
    })
    await running.shows('begun')
    running.process.kill('SIGKILL')
    await running.ended
    const id = await newestRun(cwd)
    expect(await statusOf(repository, id)).toMatchObject({ status: 'paused', reason: 'orphaned' })

    // Its command still runs.
    const gc = await openexec(['gc'], { cwd })
    expect(gc.stdout).toMatch(
      /^Removed 0 runs, 0 documents, 0 containers, 0 volumes, 0 workspaces;/,
    )

    const resumed = await openexec(['resume', id], { cwd })
    expect(resumed.code).toBe(0)
    expect((await openexec(['logs', id], { cwd })).stdout).toBe('begun\n')
    expect(await statusOf(repository, id)).toMatchObject({
      status: 'succeeded',
      stages: [{ verdict: 'succeeded' }],
      diff: { files: 1 },
    })
    await expectNothingLeft(repository)

    const again = await openexec(['resume', id, '--json'], { cwd })
    expect(again).toMatchObject({ code: 1, stderr: '' })
    expect(errorOf(again)).toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('succeeded'),
    })
  },
)

dockerTest('resume without gc removes what the dead process left', async () => {
  using repository = testRepository()
  const cwd = repository.path
  const running = startOpenexec(run('echo begun; sleep 1'), { cwd })
  await running.shows('begun')
  running.process.kill('SIGKILL')
  await running.ended
  expect(await openexec(['resume', '-q', await newestRun(cwd)], { cwd })).toMatchObject({ code: 0 })
  await expectNothingLeft(repository)
})

dockerTest(
  'a run in the background is followed, executed once, and cancelled from outside',
  async () => {
    using repository = testRepository()
    const cwd = repository.path
    const detached = await openexec(
      ['run', '--detach', '--image', 'base', '--', 'sh', '-c', WAIT],
      { cwd },
    )
    expect(detached.code).toBe(0)
    const id = detached.stdout.trim()
    expect(detached.stderr).toContain(`openexec logs -f ${id}`)
    const follower = startOpenexec(['logs', '-f', id.slice(4)], { cwd })
    await follower.shows('ready')

    const refused = await openexec(['resume', id], { cwd })
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toMatch(/process \d+ executes it[\s\S]*logs -f/)

    const stopped = startOpenexec(['logs', '-f', id], { cwd })
    await stopped.shows('ready')
    stopped.process.kill('SIGINT')
    expect(await stopped.ended).toMatchObject({ code: 130, stdout: 'ready\n' })
    expect(await statusOf(repository, id)).toMatchObject({ status: 'running' })

    expect(await openexec(['cancel', id], { cwd })).toMatchObject({ code: 0 })
    expect(await follower.ended).toMatchObject({ code: 0, stdout: 'ready\n' })
    expect(await statusOf(repository, id)).toMatchObject({ status: 'cancelled', exit_code: 130 })
    expect(await openexec(['cancel', id], { cwd })).toMatchObject({ code: 0 })
    await expectNothingLeft(repository)
  },
)

dockerTest('what has ended cannot be cancelled, approved or resumed', async () => {
  using repository = testRepository()
  const cwd = repository.path
  await openexec(['run', '-q', '--image', 'base', '--', 'true'], { cwd })
  const id = await newestRun(cwd)
  for (const command of ['cancel', 'approve', 'reject', 'resume']) {
    const { code, stderr } = await openexec([command, id], { cwd })
    expect(code, command).toBe(1)
    expect(stderr).toMatch(/it has ended \(succeeded\)/)
  }
})

dockerTest(
  'an engine that is cut off in between ends the run with its name; gc removes the rest later',
  async () => {
    using repository = testRepository()
    const cwd = repository.path
    const proxy = await engineProxy(testEngine().endpoint)
    const env = { DOCKER_HOST: proxy.endpoint }
    try {
      const running = startOpenexec(run(WAIT), { cwd, env })
      await running.shows('ready')
      await proxy.cut()
      const ended: CliRun = await running.ended
      expect(ended.code).toBe(125)
      expect(ended.stderr).toMatch(/failed \((sandbox_lost|engine_failed)\)/)
      expect(ended.stderr).not.toMatch(/^ +at /m)
      expect(leftInRepository(repository)).toEqual([])
      await proxy.restore()
      expect((await openexec(['gc'], { cwd, env })).code).toBe(0)
      await expectNothingLeft(repository)
    } finally {
      await proxy.close()
    }
  },
)
