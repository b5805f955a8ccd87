import { firstOutputOfDocker, openRunBench } from '../bench-run.ts'
import type { BenchRow } from '../row.ts'

const RATIO_MAX = 1.25

/** No pool: worktree, container, receipt and command, all from nothing. */
export const coldRun: BenchRow = {
  id: 'cold_run',
  what: 'cold run: submit → first output of the first stage, small repository',
  unit: 'ms',
  peer: 'docker run',
  target: `≤ ${RATIO_MAX} × the peer`,
  rounds: 12,
  ok: ({ ratio }) => ratio <= RATIO_MAX,
  async open() {
    const bench = await openRunBench()
    return {
      ours: async () => (await bench.run(['/bin/echo', 'ready'])).firstMs,
      peer: firstOutputOfDocker,
      close: () => bench.close(),
    }
  },
}
