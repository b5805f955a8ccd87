import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { Event } from '../../src/schema/index.ts'
import { verifyTimeline } from '../../src/events/index.ts'
import { dockerTest, testEngine } from '../helpers/docker.ts'
import { sampleRepository, type TestRepository } from '../helpers/program.ts'

const PROGRAM = new URL('../../bin/openexec.js', import.meta.url).pathname

async function containersOf(run: string): Promise<number> {
  const filters = { label: [`openexec.run=${run}`] }
  return (await testEngine().docker.listContainers({ all: true, filters })).length
}

async function eventsOf(repository: TestRepository, run: string): Promise<Event[]> {
  const { stdout } = await repository.openexec('events', run, '--json')
  return stdout
    .trim()
    .split('\n')
    .map((line) => Event.parse(JSON.parse(line)))
}

/** Starts a run and waits until its command has printed `ready`. */
async function startRun(repository: TestRepository, argv: readonly string[]) {
  const child = spawn(process.execPath, [PROGRAM, 'run', '--image', 'base', '--', ...argv], {
    cwd: repository.path,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await once(child.stdout, 'data')
  const { stdout } = await repository.openexec('ps', '--json')
  const { runs } = JSON.parse(stdout) as { runs: { id: string }[] }
  return { child, run: runs[0]?.id ?? '' }
}

const WAITING = ['sh', '-c', 'echo ready; sleep 600']

dockerTest('Ctrl-C cancels the run with exit code 130 and leaves nothing', async () => {
  using repository = sampleRepository()
  const { child, run } = await startRun(repository, WAITING)
  expect(await containersOf(run)).toBe(1)
  child.kill('SIGINT')
  const [code] = await once(child, 'close')
  expect(code).toBe(130)
  expect(await containersOf(run)).toBe(0)
  expect(repository.leftovers()).toEqual([])
  const events = await eventsOf(repository, run)
  expect(events.at(-1)).toMatchObject({ type: 'run_completed', payload: { status: 'cancelled' } })
  expect(verifyTimeline(events).ok).toBe(true)
})

dockerTest(
  'a killed process leaves a paused run, which gc leaves alone until cancel ends it',
  async () => {
    using repository = sampleRepository()
    const argv = ['sh', '-c', 'echo ready; test -e again || { touch again; sleep 600; }']
    const { child, run } = await startRun(repository, argv)
    child.kill('SIGKILL')
    await once(child, 'close')
    const gc = await repository.openexec('gc', '--json')
    expect(JSON.parse(gc.stdout)).toMatchObject({ interrupted: [], containers: [] })
    expect(await containersOf(run)).toBe(1)
    const shown = await repository.openexec('ps', '--json')
    expect(shown.stdout).toContain('"status":"paused"')
    const cancelled = await repository.openexec('cancel', run, '--json')
    expect(cancelled.code).toBe(0)
    await repository.openexec('gc')
    expect(await containersOf(run)).toBe(0)
    expect(repository.leftovers()).toEqual([])
    const events = await eventsOf(repository, run)
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1))
    expect(verifyTimeline(events).ok).toBe(true)
  },
)

dockerTest('a run that takes too long is stopped with exit code 124', async () => {
  using repository = sampleRepository()
  const argv = ['--image', 'base', '--timeout', '3s', '--', 'sh', '-c', 'trap "" TERM; sleep 600']
  const result = await repository.run(...argv)
  expect(result).toMatchObject({ status: 'failed', exit_code: 124 })
  expect(await containersOf(result.run)).toBe(0)
  expect(repository.leftovers()).toEqual([])
})

dockerTest('a change that policy forbids ends the run and is never applied', async () => {
  using repository = sampleRepository()
  const argv = ['sh', '-c', 'echo evil >> .github/workflows/release.yml']
  const result = await repository.run('--image', 'base', '--', ...argv)
  expect(result).toMatchObject({ status: 'failed', reason: 'policy_violation', exit_code: 5 })
  expect((await repository.openexec('apply', result.run)).code).toBe(5)
  expect(repository.git('status', '--porcelain')).toBe('')
})

dockerTest('danger_full_access waits for a person, and goes on when allowed', async () => {
  using repository = sampleRepository()
  const argv = ['--image', 'base', '--sandbox', 'danger_full_access', '--', 'echo', 'allowed']
  const asked = await repository.run(...argv)
  expect(asked).toMatchObject({ status: 'awaiting_approval', exit_code: 4 })
  expect(await containersOf(asked.run)).toBe(0)
  expect((await repository.openexec('approve', asked.run)).code).toBe(0)
  const resumed = await repository.openexec('resume', asked.run, '--json')
  expect(JSON.parse(resumed.stdout)).toMatchObject({ status: 'succeeded', exit_code: 0 })
})

dockerTest('what the checkout holds uncommitted is left out, unless it is asked for', async () => {
  using repository = sampleRepository()
  repository.write('fresh.txt', 'fresh\n')
  const argv = ['--image', 'base', '--', 'test', '-e', 'fresh.txt']
  expect((await repository.run(...argv)).exit_code).toBe(1)
  expect((await repository.run('--include-dirty', ...argv)).exit_code).toBe(0)
})

dockerTest('two runs of one repository do not disturb each other', async () => {
  using repository = sampleRepository()
  const results = await Promise.all(
    ['one', 'two'].map((name) =>
      repository.run('--image', 'base', '--', 'sh', '-c', `echo ${name} > ${name}; sleep 1`),
    ),
  )
  expect(results.map(({ exit_code: code, diff }) => [code, diff.files])).toEqual([
    [0, 1],
    [0, 1],
  ])
  expect(repository.leftovers()).toEqual([])
})

dockerTest('a database that is none of ours is refused and left as it is', async () => {
  using repository = sampleRepository()
  const state = join(repository.path, 'state')
  mkdirSync(state)
  repository.write('state/openexec.db', 'this is no database')
  const ended = await repository.openexec('run', '--json', '--state', state, '--', 'true')
  expect(ended.code).toBe(125)
  expect(JSON.parse(ended.stdout)).toHaveProperty('error.hint')
  expect(readFileSync(join(state, 'openexec.db'), 'utf8')).toBe('this is no database')
})
