import { openWorkspaceBench } from '../bench-workspaces.ts'
import { type BenchRow, timed } from '../row.ts'

const RATIO_MAX = 0.02

/** A workspace of a commit whose checkout is there already, until a sandbox could be started on it. */
export const worktree: BenchRow = {
  id: 'worktree',
  what: 'workspace of a 50,000-file repository, its seed present',
  unit: 'ms',
  peer: 'git worktree add',
  target: '≤ 2 % of the peer',
  rounds: 7,
  ok: ({ ratio }) => ratio <= RATIO_MAX,
  async open() {
    const bench = await openWorkspaceBench()
    await bench.remove(await bench.create('run_seed'))
    return {
      async ours() {
        let made: Awaited<ReturnType<typeof bench.create>> | undefined
        const took = await timed(async () => (made = await bench.create('run_bench')))
        if (made !== undefined) await bench.remove(made)
        return took
      },
      peer: () => bench.worktreeAdd(bench.source.commit),
      close: () => bench.close(),
    }
  },
}
