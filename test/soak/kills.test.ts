/** Kills at random points, many of them: of the orchestrator, of sandboxes, of the engine's answers. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, expect } from 'vitest'
import { dockerTest, testEngine } from '../helpers/docker.ts'
import { type EngineProxy, engineProxy } from '../helpers/engine-proxy.ts'
import { type KillReport, killRun, seeded } from '../helpers/kill-rounds.ts'
import { ownEngine } from '../helpers/own-engine.ts'
import { timelineOf } from '../helpers/run-looks.ts'
import { runWorlds } from '../helpers/run-world.ts'

const open = runWorlds()
const proxies: EngineProxy[] = []
afterAll(async () => void (await Promise.all(proxies.map((proxy) => proxy.close()))))
const HOUR_MS = 3_600_000
const SEED = Number(process.env['OPENEXEC_SOAK_SEED'] ?? 20_261_122)
const KILLS = Number(process.env['OPENEXEC_SOAK_KILLS'] ?? 100)

dockerTest(
  'kill -9 of the orchestrator at many points loses, doubles and leaves nothing',
  async () => {
    const random = seeded(SEED)
    const reports: KillReport[] = []
    const sum = (of: (report: KillReport) => number) =>
      reports.reduce((total, report) => total + of(report), 0)
    while (sum(({ kills }) => kills) < KILLS) {
      const world = await open()
      const workload = {
        bursts: 5 + Math.floor(random() * 60),
        lines: 1 + Math.floor(random() * 8_000),
      }
      const spanMs = 500 + random() * 4_000
      reports.push(await killRun(world, random, { workload, kills: 6, spanMs }))
    }
    const cleanMs = reports.flatMap((report) => report.cleanMs).toSorted((a, b) => a - b)
    const at = (share: number) => Math.round(cleanMs[Math.floor(share * (cleanMs.length - 1))] ?? 0)
    console.log(
      `seed ${SEED}: ${reports.length} runs, ${cleanMs.length} kills, ` +
        `${sum(({ reattached }) => reattached)} went on, ${sum(({ repeated }) => repeated)} repeated; ` +
        `in order after ${at(0.5)} ms p50, ${at(0.95)} ms p95, ${at(1)} ms at most`,
    )
    expect(reports.flatMap(({ problems }) => problems)).toEqual([])
  },
  HOUR_MS,
)

dockerTest(
  'kill -9 of the supervisor at many points ends the run with a reason and leaves nothing',
  async () => {
    const random = seeded(SEED + 1)
    const { docker } = testEngine()
    const ends: Record<string, number> = {}
    for (let round = 0; round < KILLS / 4; round++) {
      const world = await open()
      const run = await world.submit({ command: ['sh', '-c', 'seq 5000; sleep 0.5; echo > made'] })
      const killing = (async () => {
        const filters = { label: [`openexec.run=${run.id}`] }
        const look = () => docker.listContainers({ filters })
        for (let tries = 0; tries < 400 && (await look()).length === 0; tries++) await delay(25)
        await delay(random() * 1_500)
        for (const { Id } of await look())
          await docker
            .getContainer(Id)
            .kill()
            .catch(() => {})
      })()
      const ended = await world.follow(run)
      await killing
      const { status, reason = 'none' } = ended.result
      ends[`${status} ${reason}`] = (ends[`${status} ${reason}`] ?? 0) + 1
      expect(timelineOf(ended)).toMatchObject({ ok: true, gapless: true, runCompleted: 1 })
    }
    console.log(`seed ${SEED + 1}: ${JSON.stringify(ends)}`)
    const known = [
      'succeeded null',
      'succeeded none',
      'failed sandbox_lost',
      'failed sandbox_failed',
    ]
    expect(Object.keys(ends).filter((end) => !known.includes(end))).toEqual([])
  },
  HOUR_MS,
)

dockerTest(
  'an engine that stops answering at random points ends the run with a reason; nothing stays once it answers',
  async () => {
    const random = seeded(SEED + 2)
    const ends: string[] = []
    for (let round = 0; round < KILLS / 12; round++) {
      const proxy = await engineProxy(testEngine().endpoint)
      proxies.push(proxy)
      const world = await open(undefined, proxy.endpoint)
      const run = await world.submit({ command: ['sh', '-c', 'seq 1000; sleep 1; echo > made'] })
      const following = world.follow(run)
      await delay(random() * 2_500)
      const before = performance.now()
      if (round % 2 === 0) proxy.freeze()
      else await proxy.cut()
      const ended = await following
      const { status, reason } = ended.result
      ends.push(`${status} ${reason} after ${Math.round(performance.now() - before)} ms`)
      expect(performance.now() - before).toBeLessThan(180_000)
      if (status !== 'succeeded')
        expect(reason).toMatch(/^(engine_failed|sandbox_lost|sandbox_failed|internal)$/)
      await proxy.cut()
      await proxy.restore()
      await world.client.v1.gc.$post({ json: { olderThanMs: HOUR_MS, keep: 20 } })
    }
    console.log(`seed ${SEED + 2}: ${ends.join('; ')}`)
  },
  HOUR_MS,
)

const IMAGES = ['openexec/base:latest', 'openexec/supervisor:latest']

dockerTest(
  'kill -9 and a halt of dockerd at random points end the run with a reason; nothing stays once it is back',
  async () => {
    const engine = await ownEngine(IMAGES, testEngine().endpoint)
    if (typeof engine === 'string') throw new Error(engine)
    const random = seeded(SEED + 3)
    const ends: string[] = []
    try {
      for (let round = 0; round < KILLS / 12; round++) {
        const world = await open(undefined, engine.endpoint)
        const run = await world.submit({ command: ['sh', '-c', 'seq 1000; sleep 1; echo > made'] })
        const following = world.follow(run)
        await delay(random() * 4_000)
        const before = performance.now()
        const isHalt = round % 3 === 2
        if (isHalt) engine.halt()
        else await engine.kill()
        const { result, ...ended } = await following
        const tookMs = Math.round(performance.now() - before)
        ends.push(
          `${isHalt ? 'halt' : 'kill'}: ${result.status} ${result.reason} after ${tookMs} ms`,
        )
        expect(tookMs).toBeLessThan(180_000)
        if (result.status !== 'succeeded')
          expect(result.reason).toMatch(/^(engine_failed|sandbox_lost|sandbox_failed)$/)
        expect(timelineOf(ended)).toMatchObject({ ok: true, gapless: true, runCompleted: 1 })
        if (isHalt) engine.go()
        else await engine.start()
        await world.client.v1.gc.$post({ json: { olderThanMs: HOUR_MS, keep: 20 } })
        expect(engine.containers()).toEqual([])
      }
    } finally {
      console.log(`seed ${SEED + 3}: ${ends.join('; ')}`)
      await engine.close()
    }
  },
  HOUR_MS,
)
