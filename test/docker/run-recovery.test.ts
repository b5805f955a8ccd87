import fs from 'node:fs'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { bodyOf } from '../../src/cli/client.ts'
import { dockerTest } from '../helpers/docker.ts'
import { timelineOf, WHOLE } from '../helpers/run-looks.ts'
import { type RunWorld, runWorlds } from '../helpers/run-world.ts'

const open = runWorlds()

const TWO_STAGES = `version: 1
name: two
description: Two stages that change files
stages:
  - { id: first, type: deterministic, action: run_command, with: { argv: [sh, -c, "sleep 0.3; echo 1 >> one"] } }
  - { id: second, type: deterministic, action: run_command, with: { argv: [sh, -c, "sleep 0.3; cat one; echo 2 >> two"] } }
`

async function openTwo(): Promise<{ world: RunWorld; blueprint: string }> {
  const world = await open({ 'README.md': '# test\n', 'two.yaml': TWO_STAGES })
  return { world, blueprint: join(world.repo, 'two.yaml') }
}

const slotsOf = ({ stateDir }: RunWorld) => {
  const work = join(stateDir, 'work')
  return fs.existsSync(work) ? fs.readdirSync(work) : []
}

const collect = async ({ client }: RunWorld) =>
  await bodyOf(client.v1.gc.$post({ json: { olderThanMs: 3_600_000, keep: 20 } }))

describe('a run whose process is killed', () => {
  const moments = [
    'run_created',
    'run_started',
    'workspace_created',
    'step_started',
    'sandbox_started',
    'command_started',
    'step_completed',
    'sandbox_removed',
  ]
  for (const moment of moments)
    dockerTest(
      `a run killed at ${moment} pauses, is cleaned up, and comes to its end`,
      async () => {
        const { world, blueprint } = await openTwo()
        const killed = world.killedAt(moment, { blueprint })
        await world.reopen()
        await collect(world)
        const paused = await bodyOf(world.client.v1.runs[':id'].$get({ param: { id: killed.id } }))
        // An event can be the last one before the end.
        if (paused.status !== 'succeeded') {
          expect(paused).toMatchObject({ status: 'paused', reason: 'orphaned' })
          // A command that runs goes on; everything else of the run goes.
          expect(slotsOf(world)).toEqual(moment === 'command_started' ? [killed.id] : [])
          const ended = await world.resume(killed)
          expect(ended.result).toMatchObject({
            status: 'succeeded',
            diff: { files: 2, insertions: 2 },
          })
          const counted = ended.ends.filter((end) => !end.includes('recovered'))
          expect(counted.map((end) => end.replace(/\.\d+/, ''))).toEqual([
            'first succeeded',
            'second succeeded',
          ])
          const { sandboxes: _, workspaces: __, ...rest } = timelineOf(ended)
          const { sandboxes: ___, workspaces: ____, ...whole } = WHOLE
          expect(rest).toEqual(whole)
        }
      },
    )

  dockerTest('a run that is resumed without gc removes what its process left itself', async () => {
    const { world, blueprint } = await openTwo()
    const killed = world.killedAt('sandbox_started', { blueprint })
    await world.reopen()
    const ended = await world.resume(killed)
    expect(ended.result).toMatchObject({ status: 'succeeded', diff: { files: 2, insertions: 2 } })
    expect(ended.ends[0]).toBe('first.1 error recovered')
  })

  dockerTest('a run that was killed can be cancelled instead', async () => {
    const { world, blueprint } = await openTwo()
    const killed = world.killedAt('command_started', { blueprint })
    await expect(world.cancel(killed)).resolves.toMatchObject({ status: 'cancelled' })
    const ended = await world.follow(killed)
    expect(timelineOf(ended)).toMatchObject({
      runCompleted: 1,
      last: 'run_completed',
      openSteps: 0,
    })
    await collect(world)
  })

  dockerTest('a run keeps its deadline while nobody executes it', async () => {
    const { world, blueprint } = await openTwo()
    const killed = world.killedAt('command_started', { blueprint, timeoutMs: 1500 })
    await new Promise((resolve) => setTimeout(resolve, 1500))
    await world.reopen()
    const ended = await world.resume(killed)
    expect(ended.result).toMatchObject({ status: 'failed', reason: 'wall_limit', exit_code: 124 })
    expect(ended.types.filter((type) => type === 'workspace_created')).toHaveLength(1)
    await collect(world)
  })
})

describe('runs side by side', () => {
  dockerTest('several runs of one repository at once do not disturb each other', async () => {
    const world = await open()
    const runs = await Promise.all(
      ['a', 'b', 'c'].map((name) =>
        world.submit({ command: ['sh', '-c', `echo ${name} > ${name}; cat README.md ${name}`] }),
      ),
    )
    const ended = await Promise.all(runs.map((run) => world.follow(run)))
    expect(ended.map(({ result }) => result.status)).toEqual([
      'succeeded',
      'succeeded',
      'succeeded',
    ])
    expect(ended.map(({ stdout }) => stdout)).toEqual(['# test\na\n', '# test\nb\n', '# test\nc\n'])
    for (const each of ended) {
      expect(each.result.diff.files).toBe(1)
      expect(timelineOf(each)).toEqual(WHOLE)
    }
  })

  dockerTest('a run of another process is followed and cancelled from here', async () => {
    const world = await open()
    const child = world.begun({ command: ['sleep', '60'] })
    const run = await child.run
    await expect(world.resume(run)).rejects.toMatchObject({ code: 'conflict' })
    const ended = await world.follow(run, {
      onEvent: ({ type }) => void (type === 'command_started' && world.cancel(run)),
    })
    expect(ended.result).toMatchObject({ status: 'cancelled', exit_code: 130 })
    expect(await child.exit).toBe(0)
    expect(timelineOf(ended)).toEqual(WHOLE)
  })

  dockerTest('gc of one process leaves the run of another alone', async () => {
    const world = await open()
    const child = world.begun({ command: ['sh', '-c', 'sleep 2; echo done > made'] })
    const run = await child.run
    const ended = await world.follow(run, {
      onEvent: ({ type }) => void (type === 'command_started' && collect(world)),
    })
    expect(ended.result).toMatchObject({ status: 'succeeded', diff: { files: 1 } })
    expect(await child.exit).toBe(0)
  })
})
