import { setTimeout as delay } from 'node:timers/promises'
import { SNAPSHOT_LIMITS } from '../../src/workspace/index.ts'
import { openWorkspaceBench } from '../bench-workspaces.ts'
import { type BenchRow, timed } from '../row.ts'
import { join } from 'node:path'

const RATIO_MAX = 0.05
/** What has just been written is not told from a later write yet, by either side. */
const QUIET_MS = 150
const never = new AbortController().signal

/** Ten changed files become a tree of the object store; git makes an index of the same. */
export const checkpoint: BenchRow = {
  id: 'checkpoint',
  what: 'checkpoint of 10 changed files in a 50,000-file repository',
  unit: 'ms',
  peer: 'git add -A on the same tree',
  target: '≤ 5 % of the peer',
  rounds: 10,
  ok: ({ ratio }) => ratio <= RATIO_MAX,
  async open() {
    const bench = await openWorkspaceBench()
    const workspace = await bench.create('run_bench')
    const naive = join(bench.directory, 'tree')
    bench.git(bench.source.root, 'worktree', 'add', '--quiet', '--detach', naive, 'main')
    let baseTree = workspace.baseTree
    return {
      async ours() {
        bench.touchTen(workspace.treeDir)
        await delay(QUIET_MS)
        const request = { baseTree, limits: SNAPSHOT_LIMITS, signal: never }
        return await timed(async () => {
          const { tree, changed } = await workspace.snapshot(request)
          if (changed.length !== 10) throw new Error(`Cannot tell: ${changed.length} changes`)
          baseTree = tree
        })
      },
      async peer() {
        bench.touchTen(naive)
        await delay(QUIET_MS)
        return await timed(async () => bench.git(naive, 'add', '--all'))
      },
      close: () => bench.close(),
    }
  },
}
