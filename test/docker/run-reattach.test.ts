import fs from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect } from 'vitest'
import { bodyOf } from '../../src/cli/client.ts'
import { dockerTest, testEngine } from '../helpers/docker.ts'
import { killRun, seeded } from '../helpers/kill-rounds.ts'
import { timelineOf, WHOLE } from '../helpers/run-looks.ts'
import { type EndedRun, type RunWorld, runWorlds } from '../helpers/run-world.ts'
import type { Run } from '../../src/schema/index.ts'

const open = runWorlds()

/** Numbers every line, on both streams, and says at its end how many there were. */
const NUMBERED = (lines: number, pause: string) =>
  `i=0; while [ $i -lt ${lines} ]; do i=$((i+1)); echo "line $i"; echo "note $i" >&2; ${pause}; done; echo $i > counted; exit 7`

function numbered(word: string, lines: number): string {
  return Array.from({ length: lines }, (_, index) => `${word} ${index + 1}\n`).join('')
}

/** Waits until a process of the run has stored so many bytes of its output. */
async function stored({ stateDir }: RunWorld, { id }: Run, bytes: number): Promise<void> {
  const output = join(stateDir, 'runs', id, 'output')
  for (let size = 0; size < bytes; await delay(20)) {
    const [file] = fs.existsSync(output)
      ? fs.readdirSync(output).filter((name) => name.endsWith('.stdout'))
      : []
    size = file === undefined ? 0 : fs.statSync(join(output, file)).size
  }
}

const collect = async ({ client }: RunWorld) =>
  await bodyOf(client.v1.gc.$post({ json: { olderThanMs: 3_600_000, keep: 20 } }))

const recovered = ({ events }: EndedRun) =>
  events.flatMap(({ type, payload }) => (type === 'run_recovered' ? [payload['reattached']] : []))

async function outputOf(world: RunWorld, run: Run, stream: string): Promise<string> {
  return await world.artifact(run, `run_command.1.command.${stream}`)
}

describe('a run whose process is killed while its command runs', () => {
  dockerTest('goes on with the command: its output is whole, its exit code is taken', async () => {
    const world = await open()
    const child = world.begun({ command: ['sh', '-c', NUMBERED(60, 'sleep 0.05')] })
    const run = await child.run
    await stored(world, run, 50)
    await child.kill()
    await world.reopen()
    await collect(world)
    const ended = await world.resume(run)
    expect(ended.ends).toEqual(['run_command.1 failed exit_nonzero'])
    expect(ended.result).toMatchObject({ status: 'failed', exit_code: 1, diff: { files: 1 } })
    expect(recovered(ended)).toEqual([true])
    expect(await outputOf(world, run, 'stdout')).toBe(numbered('line', 60))
    expect(await outputOf(world, run, 'stderr')).toBe(numbered('note', 60))
    expect(ended.types.filter((type) => type === 'command_started')).toHaveLength(1)
    expect(ended.types.filter((type) => type === 'policy_check')).toHaveLength(1)
    expect(timelineOf(ended)).toEqual(WHOLE)
    const replayed = await bodyOf(
      world.client.v1.runs[':id'].replay.$get({ param: { id: run.id } }),
    )
    expect(replayed).toMatchObject({ ok: true })
  })
  dockerTest(
    'goes on again and again, also when the command ends while nobody is there',
    async () => {
      const world = await open()
      const first = world.begun({ command: ['sh', '-c', NUMBERED(30, 'sleep 0.05')] })
      const run = await first.run
      await stored(world, run, 30)
      await first.kill()
      await world.reopen()
      const second = world.resumedElsewhere(run)
      await stored(world, run, 90)
      await second.kill()
      await delay(2_500)
      await world.reopen()
      const ended = await world.resume(run)
      expect(recovered(ended)).toEqual([true, true])
      expect(await outputOf(world, run, 'stdout')).toBe(numbered('line', 30))
      expect(timelineOf(ended)).toEqual(WHOLE)
    },
  )

  dockerTest('is repeated from its base tree when its sandbox is gone too', async () => {
    const world = await open()
    const script = 'echo more >> README.md; echo begun; sleep 2; cat README.md'
    const child = world.begun({ command: ['sh', '-c', script] })
    const run = await child.run
    await stored(world, run, 5)
    await child.kill()
    const { docker } = testEngine()
    const filters = { label: [`openexec.run=${run.id}`] }
    for (const { Id } of await docker.listContainers({ filters }))
      await docker.getContainer(Id).remove({ force: true, v: true })
    await world.reopen()
    const ended = await world.resume(run)
    expect(ended.ends).toEqual(['run_command.1 error recovered', 'run_command.2 succeeded'])
    expect(recovered(ended)).toEqual([false])
    // The output of both attempts.
    expect(ended.stdout).toBe('begun\nbegun\n# test\nmore\n')
    expect(timelineOf(ended)).toMatchObject({ ...WHOLE, sandboxes: 1, workspaces: 1 })
  })

  dockerTest('keeps the time of its command and of the run', async () => {
    const world = await open()
    const child = world.begun({ command: ['sh', '-c', 'echo begun; sleep 60'], timeoutMs: 3_000 })
    const run = await child.run
    await stored(world, run, 5)
    await child.kill()
    await world.reopen()
    const before = performance.now()
    const ended = await world.resume(run)
    expect(performance.now() - before).toBeLessThan(10_000)
    expect(ended.result).toMatchObject({ status: 'failed', reason: 'wall_limit', exit_code: 124 })
    expect(recovered(ended)).toEqual([true])
    expect(timelineOf(ended)).toEqual(WHOLE)
  })

  dockerTest('leaves nothing once it is cancelled instead', async () => {
    const world = await open()
    const child = world.begun({ command: ['sh', '-c', 'echo begun; sleep 60'] })
    const run = await child.run
    await stored(world, run, 5)
    await child.kill()
    await world.reopen()
    await expect(world.cancel(run)).resolves.toMatchObject({ status: 'cancelled' })
    const gone = await collect(world)
    expect(gone.containers).toHaveLength(1)
    expect(gone.workspaces).toEqual([run.id])
  })

  dockerTest('goes on to the byte when it is killed at random points', async () => {
    const world = await open()
    const workload = { bursts: 15, lines: 6_000 }
    const report = await killRun(world, seeded(4), { workload, kills: 2, spanMs: 2_000 })
    expect(report.problems).toEqual([])
  })
})
