import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'vitest'
import { dockerTest, testEngine } from '../helpers/docker.ts'
import { timelineOf, WHOLE } from '../helpers/run-looks.ts'
import { type EndedRun, type RunWorld, runWorlds } from '../helpers/run-world.ts'

const open = runWorlds()
const LOOK = 'id -u; git log --oneline | wc -l; git status --porcelain; cat a b; ls -a; touch made'
const FILES = { a: 'one\n', 'dir/b.sh': '#!/bin/sh\n' }

const openPooled = () => open({ ...FILES, b: 'b\n' }, undefined, { pool: { low: 1, high: 1 } })

/** Until as many wait as the high mark says. */
async function filled(world: RunWorld): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    const stats = world.poolStats()
    if (stats?.kinds.some(({ waiting }) => waiting >= stats.high)) return
    await delay(50)
  }
  throw new Error(`The pool was not filled: ${JSON.stringify(world.poolStats())}`)
}

function startOf({ events }: EndedRun) {
  const { volatile = {} } = events.find(({ type }) => type === 'sandbox_started') ?? {}
  return { id: JSON.stringify(volatile['sandbox']), warm: volatile['warm'] }
}

dockerTest('a run takes a sandbox that waited, once, and sees what any run sees', async () => {
  const world = await openPooled()
  const cold = await world.shell(LOOK)
  await filled(world)
  const warm = await world.shell(LOOK)
  world.write('a', 'two\n')
  world.commit()
  await filled(world)
  const next = await world.shell(LOOK)

  expect([cold, warm, next].map((run) => startOf(run).warm)).toEqual([false, true, true])
  expect(new Set([cold, warm, next].map((run) => startOf(run).id)).size).toBe(3)
  expect(world.poolStats()).toMatchObject({ hits: 2, misses: 1, unhealthy: 0, failures: 0 })
  const seen = ({ stdout }: EndedRun) => stdout.split('\n').slice(1)
  expect(seen(warm)).toEqual(seen(cold))
  expect(seen(next).slice(0, 2)).toEqual(['2', 'two'])
  for (const run of [cold, warm, next]) {
    expect(run.result).toMatchObject({ status: 'succeeded', diff: { files: 1 } })
    expect(timelineOf(run)).toEqual(WHOLE)
  }
})

dockerTest('a sandbox that does not answer when it is wanted is not handed out', async () => {
  const world = await openPooled()
  await world.shell('true')
  await filled(world)
  const { docker } = testEngine()
  const filters = { label: ['openexec.run=pool'] }
  const waiting = await docker.listContainers({ filters })
  const looks = await Promise.all(waiting.map(({ Id }) => docker.getContainer(Id).inspect()))
  const mine = looks.filter(({ Mounts }) =>
    Mounts.some(({ Source }) => Source.startsWith(world.stateDir)),
  )
  for (const { Id } of mine) await docker.getContainer(Id).pause()
  expect(mine).toHaveLength(1)
  const run = await world.shell('echo fine')
  // Another one may have been started while this one was asked.
  expect(JSON.stringify(mine)).not.toContain(startOf(run).id)
  expect(run.stdout).toBe('fine\n')
  expect(world.poolStats()).toMatchObject({ unhealthy: 1 })
})

dockerTest('another policy, image or history gets no sandbox made for this one', async () => {
  const world = await openPooled()
  await world.shell('true')
  await filled(world)
  const other = await world.shell('true', { sandbox: 'read_only' })
  expect(startOf(other).warm).toBe(false)
  expect(world.poolStats()).toMatchObject({ hits: 0, misses: 2 })
})
