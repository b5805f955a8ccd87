import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bodyOf, followRun } from '../../src/client/index.ts'
import { firstOutputOfDocker } from '../bench-run.ts'
import { type BenchRow, timed } from '../row.ts'
import { makeRepository, type ServerProcess, startServer } from '../server-process.ts'

const RUNS = 100
const MEMORY_MAX = 300 * 1024 * 1024
const LOOK_MS = 50

/** One server, a hundred runs at once: every one must succeed, and memory must stay bounded. */
export const burst: BenchRow = {
  id: 'burst_100',
  what: `${RUNS} runs submitted to a server at once, to the end of the last; time for each`,
  unit: 'ms',
  peer: 'docker run, one after another',
  target: '0 failures, < 300 MB of the server',
  rounds: 2,
  warmUps: 0,
  // A failure or too much memory throws.
  ok: ({ ours }) => Number.isFinite(ours.p50),
  async open() {
    const directory = realpathSync(mkdtempSync(join(tmpdir(), 'openexec-bench-')))
    const path = makeRepository(join(directory, 'repository'))
    const server = await startServer({ stateDir: join(directory, 'state') })
    await runOne(server, path)
    return {
      ours: () => sample(server, path),
      peer: firstOutputOfDocker,
      async close() {
        await server.kill('SIGTERM')
        rmSync(directory, { recursive: true, force: true })
      },
    }
  },
}

async function sample(server: ServerProcess, path: string): Promise<number> {
  let peak = 0
  const watch = setInterval(() => {
    peak = Math.max(peak, server.memory())
  }, LOOK_MS)
  const ended: string[] = []
  const took = await timed(async () => {
    const all = Array.from({ length: RUNS }, () => runOne(server, path))
    ended.push(...(await Promise.all(all)))
  }).finally(() => clearInterval(watch))
  const failed = ended.filter((status) => status !== 'succeeded').length
  if (failed > 0) throw new Error(`${failed} of ${RUNS} runs failed`)
  const mib = Math.round(peak / 2 ** 20)
  if (peak > MEMORY_MAX) throw new Error(`The server took ${mib} MiB`)
  console.error(`  ${RUNS} runs, 0 failures, at most ${mib} MiB`)
  return took / RUNS
}

/** Submits and follows to the end, as somebody does who waits for it. */
async function runOne({ client }: ServerProcess, path: string): Promise<string> {
  const json = { repo: { path }, command: ['/bin/echo', 'ready'], image: 'base' }
  const { id } = await bodyOf(client.v1.runs.$post({ json }))
  const signal = new AbortController().signal
  for await (const frame of followRun(client, { run: id, after: 0, live: true, signal }))
    if (frame.type === 'end') return frame.status
  return 'unknown'
}
