import { firstOutputOfDocker, openRunBench } from '../bench-run.ts'
import { type BenchRow, timed } from '../row.ts'

const RUNS = 100
const MEMORY_MAX = 300 * 1024 * 1024
const LOOK_MS = 50

/** One process, a hundred runs at once: every one must succeed, and memory must stay bounded. */
export const burst: BenchRow = {
  id: 'burst_100',
  what: `${RUNS} runs submitted at once, to the end of the last; time for each`,
  unit: 'ms',
  peer: 'docker run, one after another',
  target: '0 failures, < 300 MB of the orchestrator',
  rounds: 1,
  warmUps: 0,
  // A failure or too much memory throws.
  ok: ({ ours }) => Number.isFinite(ours.p50),
  async open() {
    const bench = await openRunBench({ low: 2, high: 4 })
    await bench.run(['/bin/true'])
    return {
      async ours() {
        let peak = 0
        const watch = setInterval(() => {
          peak = Math.max(peak, process.memoryUsage.rss())
        }, LOOK_MS)
        const ended: string[] = []
        const took = await timed(async () => {
          const all = Array.from({ length: RUNS }, () => bench.run(['/bin/echo', 'ready']))
          ended.push(...(await Promise.all(all)).map(({ status }) => status))
        }).finally(() => clearInterval(watch))
        const failed = ended.filter((status) => status !== 'succeeded').length
        if (failed > 0) throw new Error(`${failed} of ${RUNS} runs failed`)
        if (peak > MEMORY_MAX) throw new Error(`The orchestrator took ${peak} bytes`)
        console.error(`  ${RUNS} runs, 0 failures, at most ${Math.round(peak / 2 ** 20)} MiB`)
        return took / RUNS
      },
      peer: firstOutputOfDocker,
      close: () => bench.close(),
    }
  },
}
