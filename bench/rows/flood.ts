import { openRunBench } from '../bench-run.ts'
import { type BenchRow, timed } from '../row.ts'

const BYTES = 1_000_000_000
const GROWTH_MAX = 50 * 1024 * 1024
const LOOK_MS = 20

/** Output far beyond what is kept, from a command nobody watches. */
export const flood: BenchRow = {
  id: 'flood',
  what: 'a run that writes 1 GB nobody reads, to its end',
  unit: 'ms',
  peer: 'the same bytes within this process',
  target: '< 50 MB growth of the orchestrator',
  rounds: 3,
  // Too much memory throws.
  ok: ({ ours }) => Number.isFinite(ours.p50),
  async open() {
    const bench = await openRunBench()
    // What a process takes once for any output at all is no growth.
    await bench.runUnread(['/bin/sh', '-c', `head -c ${BYTES / 50} /dev/zero`])
    return {
      async ours() {
        const before = process.memoryUsage.rss()
        let peak = before
        const watch = setInterval(() => {
          peak = Math.max(peak, process.memoryUsage.rss())
        }, LOOK_MS)
        const took = await timed(() =>
          bench.runUnread(['/bin/sh', '-c', `head -c ${BYTES} /dev/zero`]),
        ).finally(() => clearInterval(watch))
        const growth = peak - before
        if (growth > GROWTH_MAX) throw new Error(`The orchestrator grew by ${growth} bytes`)
        console.error(`  grew by ${Math.round(growth / 2 ** 20)} MiB`)
        return took
      },
      peer: async () => timed(async () => void Buffer.alloc(64 * 1024)),
      close: () => bench.close(),
    }
  },
}
