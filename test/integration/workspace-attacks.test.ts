/**
 * What the corpus of hostile repositories does not say fixture by fixture: mounts, inodes, limits, and
 * attacks that need many rounds. Each is shown to work by the call people would naturally make.
 */
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Workspace } from '../../src/workspace/index.ts'
import {
  bench,
  type Bench,
  gitIn,
  limits,
  marker,
  shell,
  signal,
  write,
} from './workspace-fixture.ts'

/** Everything the host ever does with a workspace, and then the next run. */
async function wholeLife(b: Bench, workspace: Workspace): Promise<void> {
  const { store, baseTree, baseCommit, runId } = workspace
  const { tree } = await b.snapshot(workspace)
  const trees = { from: baseTree, to: tree, signal }
  await b.workspaces.diffSummary(store, trees)
  await b.workspaces.diffPatch(store, { ...trees, maxBytes: 1_000_000 })
  await b.workspaces.diffStat(store, { ...trees, maxBytes: 1_000_000 })
  await b.workspaces.checkpoint(store, { runId, number: 1, tree, parent: baseCommit, signal })
  await workspace.collectCommits(signal).catch(() => undefined)
  const next = await b.create({ runId: 'run_next' })
  await b.workspaces.remove(next.slotDir)
  await b.workspaces.apply(b.repo, trees)
  await workspace.restore({ tree: baseTree, limits, signal })
  await b.workspaces.remove(workspace.slotDir)
}

function hostileConfig(script: string, command: string): string {
  return `[core]
\trepositoryformatversion = 0
\tfsmonitor = "${command}; false"
\tpager = "${command}"
\teditor = "${command}"
\tsshCommand = "${command}"
\talternateRefsCommand = "${command}"
[filter "evil"]
\tclean = ${script}
\tsmudge = ${script}
\trequired = true
[diff]
\texternal = ${script}
[diff "evil"]
\ttextconv = ${script}
\tcommand = ${script}
[uploadpack]
\tpackObjectsHook = ${script}
[gpg]
\tprogram = ${script}
`
}

test('a4: the sandbox gets nothing of the repository but objects, read-only', async () => {
  const b = bench()
  const workspace = await b.create()
  const mounts = workspace.mounts({ workspace: 'read_write', git: 'private' })
  const shared = mounts.filter((mount) => !mount.source.startsWith(workspace.slotDir))
  expect(shared).toEqual([
    { source: path.join(b.repo, '.git/objects'), target: '/openexec/objects', readOnly: true },
  ])
})

test('a5: hooks, monitors and filters of the source run code for `git worktree add`, not here', async () => {
  const b = bench({ 'a.txt': 'a', '.gitattributes': '* filter=evil diff=evil\n' })
  const m = marker(b.dir)
  fs.appendFileSync(path.join(b.repo, '.git/config'), hostileConfig(m.script, m.command))
  for (const hook of ['post-checkout', 'reference-transaction', 'post-index-change']) {
    fs.copyFileSync(m.script, path.join(b.repo, '.git/hooks', hook))
  }
  spawnSync('git', ['worktree', 'add', '--detach', path.join(b.dir, 'naive')], { cwd: b.repo })
  expect(m.ran()).toBe(true)
  spawnSync('git', ['worktree', 'remove', '--force', path.join(b.dir, 'naive')], { cwd: b.repo })
  m.clear()
  write(b.repo, 'a.txt', 'dirty')
  write(b.repo, 'untracked', 'u')
  const source = await b.open({ includeDirty: true })
  const workspace = await b.create({ source })
  expect(fs.readFileSync(path.join(workspace.treeDir, 'a.txt'), 'utf8')).toBe('dirty')
  write(workspace.treeDir, 'b.txt', 'b')
  const { tree } = await b.snapshot(workspace)
  const commit = await b.workspaces.checkpoint(workspace.store, {
    runId: 'run_one',
    number: 1,
    tree,
    parent: source.commit,
    signal,
  })
  await b.workspaces.createBranch(b.repo, { name: 'openexec/run_one', commit, signal })
  await wholeLife(b, workspace)
  expect(m.ran()).toBe(false)
})

test('a8: a local clone shares inodes with the source, a workspace shares none', async () => {
  const b = bench({ 'a.txt': 'a' })
  const shared = (dir: string): number =>
    Number(shell(dir, 'find . -type f -links +1 | wc -l').trim())
  gitIn(b.dir, 'clone', '--quiet', '--local', b.repo, path.join(b.dir, 'clone'))
  expect(shared(path.join(b.dir, 'clone/.git'))).toBeGreaterThan(0)
  fs.rmSync(path.join(b.dir, 'clone'), { recursive: true })
  const workspace = await b.create()
  expect(shared(workspace.slotDir)).toBe(0)
})

test('a10: ownership checks of git are never switched off', () => {
  const source = path.resolve(import.meta.dirname, '../../src/workspace')
  const texts = fs
    .readdirSync(source)
    .map((name) => fs.readFileSync(path.join(source, name), 'utf8'))
  expect(texts.some((text) => text.includes('safe.bareRepository'))).toBe(true)
  expect(texts.some((text) => text.includes('safe.directory'))).toBe(false)
})

test('a11: a link swapped in during the walk leads a naive reader out, not the snapshot', async () => {
  const b = bench({ 'dir/file': 'inside' })
  const workspace = await b.create()
  const tree = workspace.treeDir
  write(b.dir, 'outside/file', 'top secret')
  const swap = `while :; do mv dir d2; ln -s "${b.dir}/outside" dir; rm dir; mv d2 dir; done`
  const swapper = spawn('bash', ['-c', swap], { cwd: tree, stdio: 'ignore' })
  const seen = new Set<string>()
  try {
    const deadline = performance.now() + 10_000
    while (!seen.has('top secret') && performance.now() < deadline) {
      try {
        seen.add(fs.readFileSync(path.join(tree, 'dir/file'), 'utf8'))
      } catch {
        // Between two renames there is nothing.
      }
      if (seen.size === 0) await sleep(1)
    }
    expect(seen).toContain('top secret')
    for (let round = 0; round < 60; round++) {
      const { tree: id } = await b.snapshot(workspace)
      const found = spawnSync('git', ['grep', '-q', 'top secret', id], {
        cwd: workspace.store.gitDir,
      })
      expect(found.status).toBe(1)
    }
  } finally {
    swapper.kill('SIGKILL')
  }
})

test('a15: sparse giants are refused, floods of files and bytes end with the limit named', async () => {
  const b = bench()
  const workspace = await b.create()
  const { treeDir, baseTree } = workspace
  shell(treeDir, 'truncate -s 8T giant')
  expect((await b.snapshot(workspace)).refused).toMatchObject([
    { path: 'giant', reason: 'too_large' },
  ])
  fs.mkdirSync(path.join(treeDir, 'many'))
  for (let i = 0; i < 300; i++) write(treeDir, `many/${i}`, Buffer.alloc(1000, i))
  const within = (own: object) =>
    workspace.snapshot({ baseTree, limits: { ...limits, ...own }, signal })
  await expect(within({ entries: 200 })).rejects.toMatchObject({
    code: 'workspace_failed',
    details: { limit: 'entries' },
  })
  await expect(within({ totalBytes: 100_000 })).rejects.toMatchObject({
    details: { limit: 'bytes' },
  })
  await expect(within({ wallMs: 0 })).rejects.toMatchObject({ details: { limit: 'wall' } })
  expect((await b.snapshot(workspace)).changed).toHaveLength(300)
})
