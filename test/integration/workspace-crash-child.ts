/** Goes through the life of workspaces again and again, until somebody kills it. */
import fs from 'node:fs'
import path from 'node:path'
import { createWorkspaces, SNAPSHOT_LIMITS } from '../../src/workspace/index.ts'

const [repo = '', stateDir = '', way = ''] = process.argv.slice(2)
const signal = new AbortController().signal
const workspaces = createWorkspaces({
  stateDir,
  searchPath: process.env['PATH'] ?? '',
  now: () => Date.now(),
})
const user = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }

process.stdout.write('ready\n')
for (let round = 0; ; round++) await live(`run_${process.pid}_${round}`)

async function live(runId: string): Promise<void> {
  const source = await workspaces.openSource({
    path: repo,
    ref: undefined,
    includeDirty: false,
    signal,
  })
  const slotDir = path.join(stateDir, 'work', runId)
  const place = { source, slotDir, runId, denyRead: undefined, history: 'full' } as const
  const workspace = await workspaces.create({ ...place, ...user, signal })
  // Everything that changes carries the same word, so that a half-done change can be told.
  for (const name of ['a.txt', 'c.txt', 'd/e.txt']) {
    fs.mkdirSync(path.dirname(path.join(workspace.treeDir, name)), { recursive: true })
    fs.writeFileSync(path.join(workspace.treeDir, name), `${runId}\n`)
  }
  const { baseTree, baseCommit, store } = workspace
  const { tree } = await workspace.snapshot({ baseTree, limits: SNAPSHOT_LIMITS, signal })
  await workspaces.checkpoint(store, { runId, number: 1, tree, parent: baseCommit, signal })
  const request = { runId, baseCommit, tree, inside: undefined, message: 'x\n', atMs: 1, signal }
  const commit = await workspaces.resultCommit(store, request)
  if (way === 'merge') await workspaces.merge(repo, { commit, message: 'x\n', signal })
  else {
    await workspaces.apply(repo, { from: baseTree, to: tree, signal })
    await workspaces.apply(repo, { from: tree, to: baseTree, signal })
  }
  await workspaces.remove(slotDir)
  if (way === 'prune') {
    const kept = () => ({ runs: new Set<string>(), bases: new Set<string>() })
    await workspaces.prune(kept, signal)
  }
}
