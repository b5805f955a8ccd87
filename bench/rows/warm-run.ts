import { setTimeout as delay } from 'node:timers/promises'
import type { App } from '../../src/app.ts'
import { firstOutputOfDocker, openRunBench } from '../bench-run.ts'
import type { BenchRow } from '../row.ts'

const RATIO_MAX = 1 / 8
const P50_MS_MAX = 40
const FILL_LOOKS_MAX = 2_000
const LOOK_MS = 10
/** What has just been written is not yet told from later writes; the pool has calmed down too. */
const QUIET_MS = 300

/** A service with a sandbox that waits: worktree and command, nothing else. */
export const warmRun: BenchRow = {
  id: 'warm_run',
  what: 'warm run: submit → first output of the first stage, small repository, pool hit',
  unit: 'ms',
  peer: 'docker run',
  target: `≤ 1/8 of the peer and ≤ ${P50_MS_MAX} ms p50`,
  rounds: 20,
  ok: ({ ours, ratio }) => ratio <= RATIO_MAX && ours.p50 <= P50_MS_MAX,
  async open() {
    const bench = await openRunBench({ low: 1, high: 1 })
    await bench.run(['/bin/true'])
    return {
      async ours() {
        await filled(bench.app)
        const before = bench.app.poolStats()?.hits ?? 0
        const { firstMs } = await bench.run(['/bin/echo', 'ready'])
        if (bench.app.poolStats()?.hits !== before + 1) throw new Error('The pool had none')
        return firstMs
      },
      peer: firstOutputOfDocker,
      close: () => bench.close(),
    }
  },
}

async function filled(app: App): Promise<void> {
  for (let looks = 0; looks < FILL_LOOKS_MAX; looks++) {
    if (app.poolStats()?.kinds.some(({ waiting }) => waiting > 0)) return await delay(QUIET_MS)
    await delay(LOOK_MS)
  }
  throw new Error('Cannot measure a warm run: the pool was not filled')
}
