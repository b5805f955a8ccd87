import { SNAPSHOT_LIMITS } from '../../src/workspace/index.ts'
import { openWorkspaceBench } from '../bench-workspaces.ts'
import { type BenchRow, timed } from '../row.ts'

const P50_MS_MAX = 50
const never = new AbortController().signal

/** A workspace that begins with the files another run ended a stage with. */
export const fork: BenchRow = {
  id: 'fork',
  what: 'fork of a workspace of 50,000 files from a checkpoint with 10 changed files',
  unit: 'ms',
  peer: 'git worktree add',
  target: `≤ ${P50_MS_MAX} ms p50`,
  rounds: 7,
  ok: ({ ours }) => ours.p50 <= P50_MS_MAX,
  async open() {
    const bench = await openWorkspaceBench()
    const { workspaces, source } = bench
    const origin = await bench.create('run_origin')
    bench.touchTen(origin.treeDir)
    const { baseTree, store } = origin
    const { tree } = await origin.snapshot({ baseTree, limits: SNAPSHOT_LIMITS, signal: never })
    const request = { runId: 'run_origin', number: 1, tree, parent: source.commit, signal: never }
    const commit = await workspaces.checkpoint(store, request)
    return {
      async ours() {
        let made: Awaited<ReturnType<typeof bench.create>> | undefined
        const from = { ...source, commit, tree }
        const took = await timed(async () => (made = await bench.create('run_fork', from)))
        if (made !== undefined) await bench.remove(made)
        return took
      },
      peer: () => bench.worktreeAdd(source.commit),
      close: () => bench.close(),
    }
  },
}
