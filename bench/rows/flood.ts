import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { bodyOf } from '../../src/client/index.ts'
import type { RunId } from '../../src/schema/index.ts'
import { IMAGE } from '../bench-sandbox.ts'
import { type BenchRow, figuresOf, timed } from '../row.ts'
import { makeRepository, type ServerProcess, startServer } from '../server-process.ts'

const BYTES = 1_000_000_000
const GROWTH_MAX = 50 * 1024 * 1024
const API_P99_MS_MAX = 100
const LOOK_MS = 20
const LOOKS_MAX = 30_000

/** Output far beyond what is kept, from a run that nobody watches, beside a client of the API. */
export const flood: BenchRow = {
  id: 'flood',
  what: 'a run of a server that writes 1 GB nobody reads, to its end',
  unit: 'ms',
  peer: 'docker run, the bytes thrown away',
  target: `< ${GROWTH_MAX / 2 ** 20} MB growth of the server, its API ≤ ${API_P99_MS_MAX} ms p99`,
  rounds: 3,
  warmUps: 1,
  // Too much memory, or an API that is too slow, throws.
  ok: ({ ours }) => Number.isFinite(ours.p50),
  async open() {
    const directory = realpathSync(mkdtempSync(join(tmpdir(), 'openexec-bench-')))
    const path = makeRepository(join(directory, 'repository'))
    const server = await startServer({ stateDir: join(directory, 'state') })
    // What a process takes once for any output at all is no growth.
    for (let round = 0; round < 2; round++) await write(server, path, BYTES / 10)
    return {
      ours: () => sample(server, path),
      peer: () => timed(() => throughDocker()),
      async close() {
        await server.kill('SIGTERM')
        rmSync(directory, { recursive: true, force: true })
      },
    }
  },
}

async function sample(server: ServerProcess, path: string): Promise<number> {
  const before = server.memory()
  const seen = await write(server, path, BYTES)
  const growth = seen.peak - before
  const { p99 } = figuresOf(seen.apiMs)
  const told = `grew by ${Math.round(growth / 2 ** 20)} MiB, API p99 ${p99} ms of ${seen.apiMs.length}`
  if (growth > GROWTH_MAX || p99 > API_P99_MS_MAX) throw new Error(`The server ${told}`)
  console.error(`  ${told}`)
  return seen.tookMs
}

/** One run; what the server has at most meanwhile, and how long it takes to answer. */
async function write(server: ServerProcess, path: string, bytes: number) {
  const { client } = server
  const command = ['/bin/sh', '-c', `head -c ${bytes} /dev/zero`]
  const started = performance.now()
  const json = { repo: { path }, command, image: 'base' }
  const { id } = await bodyOf(client.v1.runs.$post({ json }))
  const apiMs: number[] = []
  let peak = 0
  for (let looks = 0; looks < LOOKS_MAX; looks++) {
    peak = Math.max(peak, server.memory())
    let status = 'unknown'
    apiMs.push(await timed(async () => void ({ status } = await runOf(client, id))))
    if (status === 'succeeded') return { peak, apiMs, tookMs: performance.now() - started }
    if (status === 'failed') throw new Error('The run failed')
    await delay(LOOK_MS)
  }
  throw new Error('The run does not end')
}

async function runOf(client: ServerProcess['client'], id: RunId): Promise<{ status: string }> {
  return await bodyOf(client.v1.runs[':id'].$get({ param: { id } }))
}

async function throughDocker(): Promise<void> {
  const argv = ['run', '--rm', '--network', 'none', IMAGE, 'head', '-c', `${BYTES}`, '/dev/zero']
  await once(spawn('docker', argv, { stdio: 'ignore' }), 'close')
}
