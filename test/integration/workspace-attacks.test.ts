/**
 * Each attack on git is shown to run code, or to read or write what it should not, by the call people
 * would naturally make; then the whole life of a workspace is driven over the same hostile files.
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
  fingerprint,
  gitIn,
  gitInside,
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

function plantRepository(dir: string, m: ReturnType<typeof marker>): void {
  gitIn(path.dirname(dir), 'init', '--quiet', dir)
  gitIn(dir, 'commit', '--quiet', '--allow-empty', '--message', 'x')
  fs.writeFileSync(path.join(dir, '.git/config'), hostileConfig(m.script, m.command))
}

test('a1: a rewritten .git pointer runs code for `git status`, not here', async () => {
  const b = bench({ 'a.txt': 'a', '.gitattributes': '* filter=evil diff=evil\n' })
  const m = marker(b.dir)
  const workspace = await b.create()
  const tree = workspace.treeDir
  shell(
    tree,
    'git init -q evil && mv evil/.git evil/git && rm -rf .git && echo "gitdir: ./evil/git" > .git',
  )
  fs.writeFileSync(path.join(tree, 'evil/git/config'), hostileConfig(m.script, m.command))
  fs.chownSync(tree, process.getuid?.() ?? 0, process.getgid?.() ?? 0)
  spawnSync('git', ['status'], { cwd: tree })
  expect(m.ran()).toBe(true)
  m.clear()
  await wholeLife(b, workspace)
  expect(m.ran()).toBe(false)
})

test('a2, a4, a5: a private git directory with filters, hooks and commondir runs code for git, not here', async () => {
  const b = bench({ 'a.txt': 'a', '.gitattributes': '* filter=evil diff=evil\n' })
  const m = marker(b.dir)
  const workspace = await b.create()
  const git = path.join(workspace.slotDir, 'git')
  fs.appendFileSync(path.join(git, 'config'), hostileConfig(m.script, m.command))
  fs.mkdirSync(path.join(git, 'hooks'), { recursive: true })
  for (const hook of [
    'post-checkout',
    'pre-commit',
    'reference-transaction',
    'post-index-change',
  ]) {
    fs.copyFileSync(m.script, path.join(git, 'hooks', hook))
  }
  fs.rmSync(path.join(git, 'info/attributes'))
  write(workspace.treeDir, 'a.txt', 'changed')
  gitInside(
    workspace,
    '-c',
    'core.fsmonitor=false',
    '-c',
    'core.hooksPath=/dev/null',
    'add',
    '--all',
  )
  expect(m.ran()).toBe(true)
  m.clear()
  const common = path.join(b.dir, 'common')
  gitIn(b.dir, 'init', '--quiet', '--bare', common)
  fs.writeFileSync(path.join(common, 'config'), hostileConfig(m.script, m.command))
  fs.writeFileSync(path.join(git, 'commondir'), common)
  gitInside(workspace, 'status')
  expect(m.ran()).toBe(true)
  m.clear()
  await wholeLife(b, workspace)
  expect(m.ran()).toBe(false)
})

test('a3, a6: nested and bare repositories run code for git, here they are reported', async () => {
  const b = bench({ 'a.txt': 'a' })
  const m = marker(b.dir)
  const workspace = await b.create()
  const tree = workspace.treeDir
  plantRepository(path.join(tree, 'nested'), m)
  write(tree, 'nested/file', 'content')
  fs.cpSync(path.join(tree, 'nested/.git'), path.join(tree, 'bare'), { recursive: true })
  write(tree, '.gitmodules', '[submodule "n"]\n\tpath = nested\n\turl = ./x\n\tignore = none\n')
  gitInside(
    workspace,
    'update-index',
    '--add',
    '--cacheinfo',
    `160000,${workspace.baseCommit},nested`,
  )
  gitInside(workspace, 'status')
  expect(m.ran()).toBe(true)
  m.clear()
  spawnSync('git', ['status'], { cwd: path.join(tree, 'nested') })
  expect(m.ran()).toBe(true)
  m.clear()
  const { changed, refused } = await b.snapshot(workspace)
  expect(refused).toMatchObject([{ path: 'nested/.git', reason: 'git_directory' }])
  expect(changed.map((change) => change.path)).toContain('nested/file')
  await wholeLife(b, workspace)
  expect(m.ran()).toBe(false)
})

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

test('a7: a submodule command runs for `git submodule update`, here nothing is fetched', async () => {
  const b = bench({ 'a.txt': 'a' })
  const m = marker(b.dir)
  plantRepository(path.join(b.dir, 'other'), m)
  write(b.repo, '.gitmodules', `[submodule "s"]\n\tpath = s\n\turl = ${b.dir}/other\n`)
  b.git('update-index', '--add', '--cacheinfo', `160000,${b.git('rev-parse', 'HEAD').trim()},s`)
  b.git('add', '.gitmodules')
  b.git('commit', '--quiet', '--message', 'Submodule')
  b.git('config', 'submodule.s.url', path.join(b.dir, 'other'))
  b.git('config', 'submodule.s.update', `!${m.command}; true`)
  spawnSync('git', ['-c', 'protocol.file.allow=always', 'submodule', 'update'], { cwd: b.repo })
  expect(m.ran() || fs.existsSync(path.join(b.repo, 's/.git'))).toBe(true)
  m.clear()
  const workspace = await b.create()
  expect(fs.readdirSync(path.join(workspace.treeDir, 's'))).toEqual([])
  await b.snapshot(workspace)
  await b.workspaces.remove(workspace.slotDir)
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

test('a11: a link to a file of the host is kept as a link', async () => {
  const b = bench()
  const workspace = await b.create()
  fs.symlinkSync('/etc/shadow', path.join(workspace.treeDir, 'out'))
  const { changed, tree } = await b.snapshot(workspace)
  expect(changed).toMatchObject([{ path: 'out', newMode: '120000' }])
  expect(gitIn(workspace.store.gitDir, 'cat-file', 'blob', `${tree}:out`)).toBe('/etc/shadow')
})

test('a12: pipes, sockets and devices block a naive reader, here they are refused', async () => {
  const b = bench({ 'a.txt': 'a', 'was-file': 'w' })
  const workspace = await b.create()
  const tree = workspace.treeDir
  const root = process.getuid?.() === 0
  shell(tree, `rm was-file; for i in 1 2 3 4 5 6 7 8; do mkfifo f$i; done; mkfifo was-file`)
  if (root) shell(tree, 'mknod dev c 1 5')
  const naive = `require('node:fs').readFileSync('f1')`
  expect(spawnSync(process.execPath, ['-e', naive], { cwd: tree, timeout: 500 }).signal).toBe(
    'SIGTERM',
  )
  const started = performance.now()
  const { refused, changed } = await b.snapshot(workspace)
  expect(performance.now() - started).toBeLessThan(5000)
  expect(refused.filter((entry) => entry.reason === 'fifo')).toHaveLength(9)
  expect(refused.some((entry) => entry.reason === 'device')).toBe(root)
  // A refusal never turns into a deletion.
  expect(changed).toEqual([])
})

test('a13: set-id bits are reported and do not get into a tree', async () => {
  const b = bench()
  const workspace = await b.create()
  shell(workspace.treeDir, 'cp /bin/true su && chmod 6755 su')
  const { changed, refused } = await b.snapshot(workspace)
  expect(changed).toMatchObject([{ path: 'su', newMode: '100755' }])
  expect(refused).toMatchObject([{ path: 'su', reason: 'set_id' }])
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

test('a17: a link in the checkout leads a naive writer out, apply refuses it', async () => {
  const b = bench()
  const workspace = await b.create()
  write(workspace.treeDir, 'sub/pwned', 'x')
  const { tree } = await b.snapshot(workspace)
  fs.mkdirSync(path.join(b.dir, 'outside'))
  fs.symlinkSync(path.join(b.dir, 'outside'), path.join(b.repo, 'sub'))
  write(b.repo, 'sub/naive', 'x')
  expect(fs.readdirSync(path.join(b.dir, 'outside'))).toEqual(['naive'])
  const before = fingerprint(b.repo)
  const trees = { from: workspace.baseTree, to: tree, signal }
  await expect(b.workspaces.apply(b.repo, trees)).rejects.toMatchObject({
    code: 'conflict',
    details: { conflicts: [{ path: 'sub/pwned', reason: 'not_a_directory' }] },
  })
  expect(fs.readdirSync(path.join(b.dir, 'outside'))).toEqual(['naive'])
  expect(fingerprint(b.repo)).toEqual(before)
})
