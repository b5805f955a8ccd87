import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { findEngine } from '../../src/sandbox/index.ts'
import { readConfig } from '../../src/config.ts'
import { bodyOf } from '../../src/client/index.ts'
import type { Run, RunStatus } from '../../src/schema/index.ts'
import type { BenchRow } from '../row.ts'
import { instanceOf, makeRepository, type ServerProcess, startServer } from '../server-process.ts'

const RUNS = 200
const RUNNING = 8
const MS_MAX = 2_000
const LOOKS_MAX = 1_200
const LOOK_MS = 50

/** Killed in the middle of its work; from the start of the next process until it answers. */
export const restart: BenchRow = {
  id: 'restart',
  what: `a server killed with ${RUNS} unfinished runs, from its start until all are reconciled`,
  unit: 'ms',
  peer: 'the same server with no run at all',
  target: `≤ ${MS_MAX} ms p50, 0 orphans`,
  rounds: 5,
  warmUps: 1,
  // A run that is lost, and anything that is left on the engine, throws.
  ok: ({ ours }) => ours.p50 <= MS_MAX,
  async open() {
    const directory = realpathSync(mkdtempSync(join(tmpdir(), 'openexec-bench-')))
    const place = await fill(directory)
    return {
      ours: () => sampleOurs(place),
      peer: () => samplePeer(join(directory, 'empty')),
      async close() {
        await finish(place)
        rmSync(directory, { recursive: true, force: true })
      },
    }
  },
}

interface Place {
  stateDir: string
  words: readonly string[]
}

async function fill(directory: string): Promise<Place> {
  const path = makeRepository(join(directory, 'repository'))
  const stateDir = join(directory, 'state')
  const words = ['--concurrency', String(RUNNING), '--warm', '0']
  const server = await startServer({ stateDir, words })
  const json = { repo: { path }, command: ['sleep', '3600'], image: 'base' }
  await Promise.all(
    Array.from({ length: RUNS }, () => bodyOf(server.client.v1.runs.$post({ json }))),
  )
  await busy(server)
  await server.kill('SIGKILL')
  return { stateDir, words }
}

async function sampleOurs(place: Place): Promise<number> {
  const started = performance.now()
  const server = await startServer(place)
  try {
    const query = { limit: String(2 * RUNS) }
    const { runs } = await bodyOf(server.client.v1.runs.$get({ query }))
    const took = performance.now() - started
    const lost = runs.filter(({ status }) => !UNFINISHED.has(status))
    if (lost.length > 0) throw new Error(`${lost.length} runs are lost: ${reasonOf(lost)}`)
    await busy(server)
    await settled(place)
    return took
  } finally {
    await server.kill('SIGKILL')
  }
}

const UNFINISHED = new Set<RunStatus>(['queued', 'running', 'paused'])

function reasonOf(runs: readonly Pick<Run, 'reason' | 'detail'>[]): string {
  return [...new Set(runs.map(({ reason, detail }) => `${reason} (${detail})`))].join(', ')
}

async function samplePeer(stateDir: string): Promise<number> {
  const started = performance.now()
  const server = await startServer({ stateDir, words: ['--warm', '0'] })
  await bodyOf(server.client.v1.runs.$get({ query: { limit: '1' } }))
  const took = performance.now() - started
  await server.kill('SIGKILL')
  return took
}

/** As many commands as there may be are going on. */
async function busy({ client }: ServerProcess): Promise<void> {
  for (let looks = 0; looks < LOOKS_MAX; looks++) {
    const { runs } = await bodyOf(
      client.v1.runs.$get({ query: { limit: '500', status: 'running' } }),
    )
    if (runs.length === RUNNING) return
    await delay(LOOK_MS)
  }
  throw new Error('The runs did not begin')
}

/** Nothing of the process that was killed is left: each run that goes on has its own container. */
async function settled({ stateDir }: Place): Promise<void> {
  let left = 0
  for (let looks = 0; looks < LOOKS_MAX; looks++) {
    left = await containersOf(stateDir)
    if (left === RUNNING) return
    await delay(LOOK_MS)
  }
  throw new Error(`There are ${left} containers for ${RUNNING} runs`)
}

async function containersOf(stateDir: string): Promise<number> {
  const { docker } = await findEngine(readConfig().engine)
  const filters = { label: [`openexec.instance=${instanceOf(stateDir)}`] }
  return (await docker.listContainers({ all: true, filters })).length
}

async function finish(place: Place): Promise<void> {
  const server = await startServer(place)
  const { runs } = await bodyOf(server.client.v1.runs.$get({ query: { limit: '500' } }))
  for (const { id } of runs) await server.client.v1.runs[':id'].cancel.$post({ param: { id } })
  await server.kill('SIGTERM')
  const left = await containersOf(place.stateDir)
  if (left > 0) throw new Error(`${left} containers are left`)
}
