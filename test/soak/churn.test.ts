/**
 * A server under load that is killed at random: nothing it took may be lost, doubled or left behind,
 * and in the time in which it is left alone its memory must not grow. OPENEXEC_SOAK_MINUTES (30) says
 * how long, OPENEXEC_SOAK_SEED which random kills; what was seen is printed at the end.
 */
import { mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'vitest'
import { figuresOf } from '../../bench/row.ts'
import {
  instanceOf,
  makeRepository,
  type ServerProcess,
  startDoomed,
  startServer,
} from '../../bench/server-process.ts'
import { createRedactor, createTimeline } from '../../src/events/index.ts'
import type { RunId } from '../../src/schema/index.ts'
import { getRun, openState } from '../../src/state/index.ts'
import { dockerTest, testEngine } from '../helpers/docker.ts'
import { follow, type Place, submit } from './churn-load.ts'

const MINUTES = Number(process.env['OPENEXEC_SOAK_MINUTES'] ?? '30')
const SEED = Number(process.env['OPENEXEC_SOAK_SEED'] ?? String(Date.now() % 1_000_000))
const AT_ONCE = 100
const QUEUED = 1_000
const FOLLOWERS = 200
/** Of the time, in which the server is killed; then it is left alone. */
const KILLING = 0.8
const LIFE_MS = { least: 50, most: 1_500 }
/** From the start of its process. */
const DOOMED_MS = { least: 300, most: 4_000 }
const WORDS = ['--concurrency', '6', '--queue', '5000', '--warm', '1:2']
const MEMORY_MAX = 400 * 1024 * 1024
const DRAIN_MS = 300_000

interface Soak {
  place: Place
  server: ServerProcess
  stateDir: string
  random(): number
  starts: number[]
  kills: number
  /** Nobody kills it any more. */
  calm: boolean
  /** Seconds since the beginning, and bytes. */
  memory: { at: number; bytes: number; calm: boolean }[]
}

dockerTest(
  'a server under load that is killed at random loses nothing, leaves nothing and does not grow',
  async () => {
    const directory = realpathSync(mkdtempSync(join(tmpdir(), 'openexec-soak-')))
    const path = makeRepository(join(directory, 'repository'))
    const stateDir = join(directory, 'state')
    const server = await startServer({ stateDir, words: WORDS })
    const soak: Soak = {
      place: { current: server },
      server,
      stateDir,
      random: seeded(SEED),
      starts: [],
      kills: 0,
      calm: false,
      memory: [],
    }
    try {
      const found = await churn(soak, path)
      await finish(soak, found.ids)
      report(soak, found)
      expect(found.wrong).toEqual([])
      expect(await leftOn(stateDir)).toEqual([])
      expect(readdirSync(join(path, '.git'))).not.toContain('worktrees')
      expectWhole(stateDir, found.ids)
      expectFlat(soak)
    } finally {
      await soak.server.kill('SIGKILL')
      rmSync(directory, { recursive: true, force: true })
    }
  },
  (MINUTES + 20) * 60_000,
)

/** Load for the whole time; kills for the first part of it. */
async function churn(soak: Soak, path: string) {
  const over = new AbortController()
  const ids: RunId[] = []
  const wrong: string[] = []
  const take = async (number: number) => {
    const key = `soak-${number}`
    ids.push(await submit(soak.place, { key, path, pick: number }))
  }
  const killing = killAtRandom(soak, performance.now() + MINUTES * 60_000 * KILLING)
  const watch = watchMemory(soak)
  const refused = (error: unknown) => void wrong.push(String(error))
  await Promise.all(Array.from({ length: AT_ONCE }, (_, number) => take(number).catch(refused)))
  const load = fill(AT_ONCE, over.signal, take).catch(refused)
  const readers = Array.from({ length: FOLLOWERS }, async () => {
    while (!over.signal.aborted) {
      // The newest ones are those that go on, or will soon.
      const run = ids[Math.floor(soak.random() * ids.length)]
      const problem = run && (await follow(soak.place, run, over.signal))
      if (problem !== undefined) wrong.push(problem)
      await delay(100)
    }
  })
  await killing
  await delay(MINUTES * 60_000 * (1 - KILLING))
  over.abort()
  await Promise.all([load, ...readers])
  clearInterval(watch)
  return { ids, wrong }
}

/** Up to the number that is to wait, then one after another. */
async function fill(
  from: number,
  signal: AbortSignal,
  take: (number: number) => Promise<void>,
): Promise<void> {
  const LANES = 4
  let next = from
  const lane = async () => {
    while (!signal.aborted) {
      const number = next++
      await take(number)
      if (number >= QUEUED) await delay(1_000, undefined, { signal }).catch(() => {})
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
}

/** At any moment of its life, also while it starts and takes over what the one before left. */
async function killAtRandom(soak: Soak, until: number): Promise<void> {
  const { stateDir, random } = soak
  const port = Number(new URL(soak.server.url).port)
  const between = ({ least, most }: typeof LIFE_MS) => least + random() * (most - least)
  while (performance.now() < until) {
    await delay(between(LIFE_MS))
    await soak.server.kill('SIGKILL')
    await startDoomed({ stateDir, words: WORDS, port }, between(DOOMED_MS))
    soak.kills += 2
    soak.server = await startServer({ stateDir, words: WORDS, port })
    soak.place.current = soak.server
    soak.starts.push(soak.server.startMs)
  }
  soak.calm = true
}

function watchMemory(soak: Soak): NodeJS.Timeout {
  const began = performance.now()
  return setInterval(() => {
    try {
      const at = Math.round((performance.now() - began) / 1000)
      const bytes = soak.server.memory()
      if (bytes > 0) soak.memory.push({ at, bytes, calm: soak.calm })
    } catch {
      // Between two servers there is none.
    }
  }, 1_000)
}

/** What still waits is cancelled, what goes on may end; then the server ends in order. */
async function finish({ server, place, stateDir }: Soak, ids: readonly RunId[]): Promise<void> {
  const state = openState({ file: join(stateDir, 'openexec.db') })
  try {
    const headers = { authorization: `Bearer ${place.current.token}` }
    const unfinished = () =>
      ids.filter((id) => ['queued', 'running', 'paused'].includes(getRun(state.db, id).status))
    for (const id of unfinished())
      if (getRun(state.db, id).startedAt === undefined)
        await fetch(`${server.url}/v1/runs/${id}/cancel`, { method: 'POST', headers })
    const until = performance.now() + DRAIN_MS
    while (unfinished().length > 0 && performance.now() < until) await delay(500)
    expect(unfinished()).toEqual([])
  } finally {
    state[Symbol.dispose]()
  }
  expect(await server.kill('SIGTERM')).toBe(0)
}

/** Each run is there once, ended as it should, and its record is whole. */
function expectWhole(stateDir: string, ids: readonly RunId[]): void {
  expect(new Set(ids).size).toBe(ids.length)
  const state = openState({ file: join(stateDir, 'openexec.db') })
  const redactor = createRedactor([])
  const timeline = createTimeline({
    state,
    now: Date.now,
    redactorOf: () => redactor,
    mirror: undefined,
  })
  const bad = ids.flatMap((id) => {
    const { status, reason, detail } = getRun(state.db, id)
    const check = timeline.verify(id)
    if (!check.ok) return [`${id}: its record is broken`]
    return ['succeeded', 'cancelled'].includes(status)
      ? []
      : [`${id}: ${status} ${reason} ${detail}`]
  })
  timeline[Symbol.dispose]()
  state[Symbol.dispose]()
  expect(bad).toEqual([])
}

async function leftOn(stateDir: string): Promise<string[]> {
  const filters = { label: [`openexec.instance=${instanceOf(stateDir)}`] }
  const { docker } = testEngine()
  const [containers, volumes] = await Promise.all([
    docker.listContainers({ all: true, filters }),
    docker.listVolumes({ filters }),
  ])
  return [...containers.map(({ Id }) => Id), ...volumes.Volumes.map(({ Name }) => Name)]
}

/** A server that has just started fills its caches first: the last quarter against the one before. */
function expectFlat({ memory }: Soak): void {
  const calm = memory.filter((each) => each.calm).map(({ bytes }) => bytes)
  const quarter = Math.floor(calm.length / 4)
  const first = figuresOf(calm.slice(-2 * quarter, -quarter)).p50
  const last = figuresOf(calm.slice(-quarter)).p50
  expect(last).toBeLessThan(Math.max(first * 1.35, first + 64 * 1024 * 1024))
  expect(Math.max(...memory.map(({ bytes }) => bytes))).toBeLessThan(MEMORY_MAX)
}

function report(soak: Soak, { ids, wrong }: { ids: RunId[]; wrong: string[] }): void {
  const { starts, kills, memory } = soak
  const mib = (bytes: number) => Math.round(bytes / 2 ** 20)
  const calm = memory.filter((each) => each.calm)
  const step = Math.max(1, Math.floor(calm.length / 12))
  const over = calm.filter((_, at) => at % step === 0).map(({ bytes }) => mib(bytes))
  const { p50, p99 } = figuresOf(starts)
  console.log(
    [
      `seed ${SEED}, ${MINUTES} minutes, ${ids.length} runs, ${kills} kills, ${wrong.length} wrong`,
      `start to listening: p50 ${Math.round(p50)} ms, p99 ${Math.round(p99)} ms`,
      `memory when left alone, MiB over time: ${over.join(' ')}; at most ${mib(Math.max(...memory.map(({ bytes }) => bytes)))}`,
    ].join('\n'),
  )
}

/** mulberry32: the same kills for the same seed, as far as the machine is the same. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
